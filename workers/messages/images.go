package messages

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/schema"
)

func (w *Worker) imageProcessed(ctx context.Context, r pipeline.Record, m schema.ImageProcessed) error {
	return w.image(ctx, schema.Image{Change: change(ctx, r, schema.StatusReady), Source: m.Source, Picture: &m.Picture})
}

func (w *Worker) imageRejected(ctx context.Context, r pipeline.Record, m schema.ImageRejected) error {
	return w.image(ctx, schema.Image{Change: change(ctx, r, schema.StatusRejected), Source: m.Source, Reason: m.Reason})
}

// imageRemoved writes a record even if there is none, so that an older message that
// arrives later finds a newer one.
func (w *Worker) imageRemoved(ctx context.Context, r pipeline.Record, m schema.ImageRemoved) error {
	return w.image(ctx, schema.Image{Change: change(ctx, r, schema.StatusRemoved), Source: m.Source})
}

// image updates an image's record to next. A message changes nothing if its S3
// event is older than the record's, or if it was handled before.
func (w *Worker) image(ctx context.Context, next schema.Image) error {
	key := schema.ImageKey(next.Bucket, next.Key)
	_, err := pipeline.Update(ctx, w.records, key, func(current schema.Image, exists bool) (any, error) {
		switch {
		case exists && current.Cause == next.Cause:
			return nil, nil
		case exists && current.Sequencer != "" && next.Sequencer != "" &&
			lambdaevent.CompareSequencers(next.Sequencer, current.Sequencer) < 0:
			w.log.InfoContext(ctx, "message is older than the record", "key", key, "sequencer", next.Sequencer, "current", current.Sequencer)
			return nil, nil
		}
		next := next
		// A message without a sequencer keeps the record's, so that older messages
		// are still recognised.
		next.Sequencer = cmp.Or(next.Sequencer, current.Sequencer)
		return replaceMembers(current, next)
	})
	if err != nil {
		return fmt.Errorf("image %q: %w", next.Source, err)
	}
	return nil
}

// replaceMembers returns the patch from current to next. It removes the members
// that only current has, and keeps those that T does not declare.
func replaceMembers[T any](current, next T) (map[string]json.RawMessage, error) {
	old, err := members(current)
	if err != nil {
		return nil, err
	}
	patch, err := members(next)
	if err != nil {
		return nil, err
	}
	for name := range old {
		if _, ok := patch[name]; !ok {
			patch[name] = json.RawMessage("null")
		}
	}
	return patch, nil
}

func members(v any) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(b, &m)
}
