package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/eventsource"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

// Workers are the names of the workers that a harness can run.
var Workers = []string{"uploads", "changes", "messages"}

// Worker builds a worker in this process. A nil log discards.
func (h *Harness) Worker(name string, log *slog.Logger) (eventsource.Function, error) {
	settings, config := h.Settings(), h.observed()
	switch name {
	case "uploads":
		c, err := setup.Read[uploads.Config](settings)
		if err != nil {
			return nil, err
		}
		return function(uploads.Build(c, uploads.Clients{S3: s3Client(config), SQS: sqs.NewFromConfig(config)}, log))
	case "changes":
		c, err := setup.Read[changes.Config](settings)
		if err != nil {
			return nil, err
		}
		return function(changes.Build(c, changes.Clients{SQS: sqs.NewFromConfig(config), DeadLetters: s3Client(config)}, log))
	case "messages":
		c, err := setup.Read[messages.Config](settings)
		if err != nil {
			return nil, err
		}
		db := dynamodb.NewFromConfig(config)
		return function(messages.Build(c, messages.Clients{
			Records: dynamotable.New(db, tableName, dynamotable.Options{}), State: dynamotable.New(db, stateName, dynamotable.Options{}),
			SQS: sqs.NewFromConfig(config), DeadLetters: s3Client(config), AWS: &config,
		}, log))
	}
	return nil, fmt.Errorf("worker: got %q, want one of %s", name, strings.Join(Workers, ", "))
}

// function is the Invoke of a worker that was built without an error.
func function[W interface {
	Invoke(context.Context, []byte) ([]byte, error)
}](w W, err error) (eventsource.Function, error) {
	if err != nil {
		return nil, err
	}
	return w.Invoke, nil
}

// WorkerOf returns the worker that a recorded event is for, by the folder of
// its file, or else by its payload.
func WorkerOf(file string, payload []byte) (string, error) {
	if dir := filepath.Base(filepath.Dir(file)); slices.Contains(Workers, dir) {
		return dir, nil
	}
	return workerOfPayload(payload)
}

// workerOfPayload finds the worker by the kind of the event, and for messages of
// a queue by what the first one holds: notices, or something else.
func workerOfPayload(payload []byte) (string, error) {
	batch, err := lambdaevent.Decode(payload)
	if err != nil {
		return "", err
	}
	if len(batch.Records) == 0 {
		return "", errors.New("an event without records does not tell whose it is: name it by -worker")
	}
	switch batch.Kind {
	case lambdaevent.DynamoDBStream:
		return "changes", nil
	case lambdaevent.S3, lambdaevent.SNS, lambdaevent.EventBridge:
		return "uploads", nil
	case lambdaevent.SQS:
		if strings.HasSuffix(batch.Source, ":uploads") {
			return "uploads", nil
		}
		if _, err := lambdaevent.S3Events(batch.Records[0].Body); err == nil {
			return "uploads", nil
		}
		return "messages", nil
	}
	return "", fmt.Errorf("no worker takes a %s event", batch.Kind)
}
