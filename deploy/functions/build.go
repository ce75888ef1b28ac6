package functions

import (
	"sluice/workers/api"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

func buildUploads(b Backends) (Worker, error) {
	c, err := setup.Read[uploads.Config](b.Settings)
	if err != nil {
		return nil, err
	}
	return worker(uploads.Build(c, uploads.Clients{S3: b.S3, SQS: b.SQS}, b.Logger))
}

func buildAPI(b Backends) (Worker, error) {
	c, err := setup.Read[api.Config](b.Settings)
	if err != nil {
		return nil, err
	}
	return worker(api.Build(c, api.Clients{Records: b.Records, State: b.State}, b.Logger))
}

func buildChanges(b Backends) (Worker, error) {
	c, err := setup.Read[changes.Config](b.Settings)
	if err != nil {
		return nil, err
	}
	return worker(changes.Build(c, changes.Clients{SQS: b.SQS, DeadLetters: b.S3}, b.Logger))
}

func buildMessages(b Backends) (Worker, error) {
	c, err := setup.Read[messages.Config](b.Settings)
	if err != nil {
		return nil, err
	}
	return worker(messages.Build(c, messages.Clients{
		Records: b.Records, State: b.State, SQS: b.SQS, DeadLetters: b.S3, AWS: b.AWS, Outbox: b.Outbox, Step: b.OrderStep, ProcessID: b.ProcessID,
	}, b.Logger))
}

// worker keeps a nil pointer from becoming a Worker that is not nil.
func worker[W Worker](w W, err error) (Worker, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}
