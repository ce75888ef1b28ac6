package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sluice/pipeline"
)

// connectTimeout bounds the connecting of a warm-up.
const connectTimeout = 5 * time.Second

// warmedUp is the response to a warm-up.
const warmedUp = `{"statusCode":200,"body":"Warmed up"}`

// IsWarmUp reports whether payload is the event of a schedule of EventBridge,
// which keeps a function warm. Its source is aws.events and its detail type
// Scheduled Event; the event may have no other members.
func IsWarmUp(payload []byte) bool {
	// Only a payload with these words is decoded a second time.
	if !bytes.Contains(payload, []byte("Scheduled Event")) {
		return false
	}
	var event struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Records    json.RawMessage `json:"Records"`
	}
	return json.Unmarshal(payload, &event) == nil && event.Records == nil &&
		event.Source == "aws.events" && event.DetailType == "Scheduled Event"
}

// WarmUp calls each connect, all at once, and returns the response to a warm-up.
// A connect makes a client resolve its endpoint and credentials and open its
// connection, which the next invocation finds in the client's pool. One that
// fails is logged: it says nothing about the next invocation.
func WarmUp(ctx context.Context, log *slog.Logger, connects ...func(context.Context) error) []byte {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, connect := range connects {
		wg.Go(func() {
			if err := connect(ctx); err != nil {
				log.WarnContext(ctx, "warm-up: not connected", "error", err)
			}
		})
	}
	wg.Wait()
	return []byte(warmedUp)
}

// ConnectTable returns a function that connects the client of a table. It asks
// for an item that does not exist.
func ConnectTable(t pipeline.Table) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := t.Get(ctx, pipeline.Key{PK: "warm-up", SK: "-"}); !errors.Is(err, pipeline.ErrNotFound) {
			return err
		}
		return nil
	}
}
