package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// TestQueuesKeepTheirAttributes changes an attribute as `aws sqs set-queue-attributes` does, and starts the home again.
func TestQueuesKeepTheirAttributes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	open := func() *home {
		t.Helper()
		log.Reset()
		h, err := openHome(t.Context(), homeOptions{
			Dir: dir, Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return h
	}
	shut := func(h *home) {
		t.Helper()
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	said := func() (lines []string) {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "a queue keeps its own attribute") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	h := open()
	shut(h)
	if got := said(); len(got) != 0 {
		t.Errorf("a new home: %q", got)
	}
	h = open()
	_, err := h.clients.SQS.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(h.queues.URL(queueJobs)), Attributes: map[string]string{"VisibilityTimeout": "77"},
	})
	if err != nil {
		t.Fatal(err)
	}
	shut(h)
	h = open()
	out, err := h.clients.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(h.queues.URL(queueJobs)), AttributeNames: []types.QueueAttributeName{"VisibilityTimeout"},
	})
	if err != nil || out.Attributes["VisibilityTimeout"] != "77" {
		t.Errorf("after the second start: %v, %v, want what was set", out, err)
	}
	shut(h)
	if got := said(); len(got) != 1 || !strings.Contains(got[0], "queue=jobs attribute=VisibilityTimeout is=77 standard=360") {
		t.Errorf("said %q, want one line about the attribute", got)
	}
}
