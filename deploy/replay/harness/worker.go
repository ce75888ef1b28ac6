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
	"sluice/deploy/functions"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/httpevent"
	"sluice/pipeline/lambdaevent"
)

// Worker builds a worker in this process. A nil log discards.
func (h *Harness) Worker(name string, log *slog.Logger) (eventsource.Function, error) {
	i := slices.IndexFunc(functions.All, func(f functions.Function) bool { return f.Worker == name })
	if i < 0 {
		return nil, fmt.Errorf("worker: got %q, want one of %s", name, strings.Join(functions.Workers(), ", "))
	}
	config := h.observed()
	db := dynamodb.NewFromConfig(config)
	w, err := functions.All[i].Build(functions.Backends{
		Settings: h.Settings(), AWS: &config, S3: s3Client(config), SQS: sqs.NewFromConfig(config),
		Records: dynamotable.New(db, tableName, dynamotable.Options{}), State: dynamotable.New(db, stateName, dynamotable.Options{}),
		Logger: log,
	})
	if err != nil {
		return nil, err
	}
	return w.Invoke, nil
}

// WorkerOf returns the worker that a recorded event is for, by the folder of
// its file, or else by its payload.
func WorkerOf(file string, payload []byte) (string, error) {
	if dir := filepath.Base(filepath.Dir(file)); slices.Contains(functions.Workers(), dir) {
		return dir, nil
	}
	return workerOfPayload(payload)
}

// workerOfPayload finds the worker by the source of the event: by its queue's
// name or its kind, and by the content of the first message of another queue.
func workerOfPayload(payload []byte) (string, error) {
	if _, _, err := httpevent.Decode(context.Background(), payload); err == nil {
		return workerOf(func(s functions.Source) bool { return s.HTTP })
	}
	batch, err := lambdaevent.Decode(payload)
	if err != nil {
		return "", err
	}
	if len(batch.Records) == 0 {
		return "", errors.New("the event has no records, which name its worker: add -worker")
	}
	switch batch.Kind {
	case lambdaevent.DynamoDBStream:
		return workerOf(func(s functions.Source) bool { return s.Stream != "" })
	case lambdaevent.S3, lambdaevent.SNS, lambdaevent.EventBridge:
		return "uploads", nil
	case lambdaevent.SQS:
		queue := batch.Source[strings.LastIndexByte(batch.Source, ':')+1:]
		if worker, err := workerOf(func(s functions.Source) bool { return s.Queue != "" && s.Queue == queue }); err == nil {
			return worker, nil
		}
		if _, err := lambdaevent.S3Events(batch.Records[0].Body); err == nil {
			return "uploads", nil
		}
		return "messages", nil
	}
	return "", fmt.Errorf("no worker takes a %s event", batch.Kind)
}

// workerOf is the worker of the first function with a source.
func workerOf(is func(functions.Source) bool) (string, error) {
	for _, f := range functions.All {
		if is(f.Source) {
			return f.Worker, nil
		}
	}
	return "", errors.New("no function has this source")
}
