package changes

import (
	"context"
	"encoding/json"
	"strconv"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
)

// next returns the messages of the jobs that follow from a change of key: the
// registration of a user who became pending, and the processing of an order that
// became received. Their ids are derived from the change's, so that a change that
// is delivered twice makes the same messages. Their hops start at zero, since a
// change that a message made has no jobs here.
func (w *Worker) next(ctx context.Context, c notify.Change, key pipeline.Key) ([]pipeline.Message, error) {
	var messages []pipeline.Message
	add := func(typ string, data any) error {
		m, err := pipeline.NewMessage(ctx, typ, c.ID, data)
		if err != nil {
			return pipeline.Permanent(err)
		}
		m.Source, m.Subject, m.Time = "sluice/changes", c.Key, c.At
		messages = append(messages, m)
		return nil
	}
	if cause := text(c.New, "cause"); cause != "" && cause != text(c.Old, "cause") {
		// A message made this change, and its own job continues.
		return nil, nil
	}
	for _, e := range notify.Events(c) {
		if e.Kind != notify.Created && e.Kind != notify.StatusChanged {
			continue
		}
		var err error
		if email, ok := schema.UserOf(key); ok && e.To == schema.StatusPending {
			err = add(schema.TypeUserRegistration, schema.UserRegistration{
				Email: email, Name: text(c.New, "name"), ID: text(c.New, "id"),
			})
		} else if email, id, ok := schema.OrderOf(key); ok && e.To == schema.StatusReceived {
			err = add(schema.TypeOrderProcessing, schema.OrderProcessing{Email: email, ID: id})
		}
		if err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// hops returns the hops of the message that changed item last.
func hops(item map[string]any) int {
	n, _ := item["hops"].(json.Number)
	i, err := strconv.Atoi(n.String())
	if err != nil || i < 0 {
		return 0
	}
	return min(i, pipeline.MaxHops)
}

func text(item map[string]any, name string) string {
	s, _ := item[name].(string)
	return s
}
