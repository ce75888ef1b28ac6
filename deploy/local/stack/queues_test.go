package stack_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
)

// TestQueuesKeepTheirAttributes sets an attribute as aws sqs set-queue-attributes
// does, and restarts the stack.
func TestQueuesKeepTheirAttributes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	open := func() *stack.Stack {
		t.Helper()
		log.Reset()
		o := stacktest.Options(dir)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s, err := stack.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return s
	}
	shut := func(s *stack.Stack) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	logged := func() (lines []string) {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "queue keeps its attribute") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	s := open()
	shut(s)
	if got := logged(); len(got) != 0 {
		t.Errorf("a new stack: %q", got)
	}
	s = open()
	_, err := s.Client().SQS.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(s.QueueURL("jobs")), Attributes: map[string]string{"VisibilityTimeout": "77"},
	})
	if err != nil {
		t.Fatal(err)
	}
	shut(s)
	s = open()
	out, err := s.Client().SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(s.QueueURL("jobs")), AttributeNames: []types.QueueAttributeName{"VisibilityTimeout"},
	})
	if err != nil || out.Attributes["VisibilityTimeout"] != "77" {
		t.Errorf("after the second start: %v, %v, want the attribute that was set", out, err)
	}
	shut(s)
	if got := logged(); len(got) != 1 || !strings.Contains(got[0], "queue=jobs attribute=VisibilityTimeout is=77 standard=360") {
		t.Errorf("got the lines %q, want one about the attribute", got)
	}
}
