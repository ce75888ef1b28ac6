package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/replay/harness"
	"sluice/pipeline/sqsqueue"
)

// TestListingsReadTheEnvironmentsQueues runs the listing commands over the
// backends of replay. It sets the environment of the process.
func TestListingsReadTheEnvironmentsQueues(t *testing.T) {
	h, err := harness.New(t.Context(), "../../testdata", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	environ := h.Settings()
	endpoint := environ["AWS_ENDPOINT_URL"]
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_SQS": endpoint, "AWS_ENDPOINT_URL_DYNAMODB": endpoint, "AWS_REGION": region,
		"AWS_ACCESS_KEY_ID": "replay", "AWS_SECRET_ACCESS_KEY": "replay",
	} {
		t.Setenv(name, value)
	}
	client := sqs.New(sqs.Options{Region: region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("replay", "replay", "")})
	attr := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	for reason, source := range map[string]string{"no such type": "arn:aws:sqs:us-east-1:000000000000:jobs", "stream": "arn:aws:dynamodb:us-east-1:1:table/records/stream/1"} {
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(environ["DEAD_LETTER_QUEUE_URL"]), MessageBody: aws.String(`{"type":"make-coffee"}`),
			MessageAttributes: map[string]types.MessageAttributeValue{
				sqsqueue.AttrReason: attr(reason), sqsqueue.AttrSource: attr(source), "colour": attr("red"),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), args, maps.Clone(environ), &out, &out)
		return out.String(), err
	}

	if out, err := command("status"); err != nil || strings.Count(out, "\n") != 4 || !strings.Contains(strings.Join(strings.Fields(out), " "), environ["DEAD_LETTER_QUEUE_URL"]+" 2 0 0") {
		t.Errorf("status: got %v\n%s\nwant a head, two queues and the dead-letter queue with 2 messages", err, out)
	}
	if out, err := command("dead-letters"); err != nil || strings.Count(out, "\n") != 3 {
		t.Errorf("dead-letters: got %v\n%s\nwant a head and two lines", err, out)
	}
	out, err := command("dead-letters", "redrive", "-reason", "such type")
	if err != nil || !strings.HasPrefix(out, "redriven  ") {
		t.Errorf("redrive: got %v\n%s", err, out)
	}
	sent, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(environ["JOBS_QUEUE_URL"]), MessageAttributeNames: []string{"All"}})
	if err != nil || len(sent.Messages) != 1 || *sent.Messages[0].Body != `{"type":"make-coffee"}` || aws.ToString(sent.Messages[0].MessageAttributes["colour"].StringValue) != "red" {
		t.Errorf("queue jobs after the redrive: got %+v, %v, want the message with its attributes", sent, err)
	}
	// A change has no queue that it could be sent to, and stays.
	if out, err := command("dead-letters", "redrive", "-all"); err == nil || !strings.Contains(err.Error(), "has no queue") {
		t.Errorf("redrive of a change: got %v\n%s\nwant an error", err, out)
	}
	if out, err := command("dead-letters", "-json"); err != nil || strings.Count(out, `"reason": "stream"`) != 1 {
		t.Errorf("dead-letters -json: got %v\n%s\nwant the change", err, out)
	}
	if _, err := command("records", "user#nobody@example.com"); err == nil || !strings.Contains(err.Error(), "user#nobody@example.com") {
		t.Errorf("records of an unknown key: got %v, want an error that names it", err)
	}
	for _, args := range [][]string{{"status", "x"}, {"records", "a", "b"}, {"dead-letters", "eat", "12345678"}} {
		if _, err := command(args...); err == nil {
			t.Errorf("%v: got no error", args)
		}
	}
	delete(environ, "DEAD_LETTER_QUEUE_URL")
	delete(environ, "RECORDS_TABLE")
	for _, verb := range []string{"dead-letters", "records"} {
		if _, err := command(verb); err == nil || !strings.Contains(err.Error(), "is required") {
			t.Errorf("%s without settings: got %v", verb, err)
		}
	}
}
