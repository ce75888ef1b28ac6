package messages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// A Step does what an order asks for, between "processing" and "completed". nil
// completes the order; pipeline.Permanent fails it, with the error as reason;
// pipeline.RetryAfter waits; any other error tries again. A step that was cut
// off is begun again, so it should know orders by email and id.
type Step func(ctx context.Context, o schema.Order) error

// step is the Step of ORDER_ENDPOINT. Without an endpoint an order needs none.
func (c Config) step() Step {
	if c.OrderEndpoint == "" {
		return func(context.Context, schema.Order) error { return nil }
	}
	return postStep(c.OrderEndpoint)
}

// orderProcessing takes an order from received over processing to completed or
// failed. A worker that dies in between leaves "processing", and the next
// delivery goes on from there. A cancelled order stays cancelled.
func (w *Worker) orderProcessing(ctx context.Context, r pipeline.Record, m schema.OrderProcessing) error {
	if err := w.order(ctx, r, m); err != nil {
		return fmt.Errorf("order %q of %q: %w", m.ID, m.Email, err)
	}
	return nil
}

func (w *Worker) order(ctx context.Context, r pipeline.Record, m schema.OrderProcessing) error {
	order, err := w.beginOrder(ctx, r, m)
	if err != nil || order.Status != schema.StatusProcessing {
		return err
	}
	result, err := w.stepOnce(ctx, order)
	if err != nil {
		return err
	}
	_, err = pipeline.Update(ctx, w.records, schema.OrderKey(m.Email, m.ID), func(current schema.Order, _ bool) (any, error) {
		switch {
		case current.Status != schema.StatusProcessing || current.Cause != order.Cause:
			// Cancelled, say, or received again and begun anew: not ours to end.
			w.log.WarnContext(ctx, "order was changed during its step", "email", m.Email, "order", m.ID, "status", current.Status)
			return nil, nil
		case result.Failed != "":
			return patch(orderPatch{Change: change(ctx, r, schema.StatusFailed), Reason: &result.Failed})
		}
		return patch(orderPatch{Change: change(ctx, r, schema.StatusCompleted)})
	})
	return err
}

// orderPatch is what a step of an order changes in its record. What was ordered
// stays as it stands there, with all that this worker does not know of it.
type orderPatch struct {
	schema.Change
	Reason *string `json:"reason"` // nil takes it away
	// What follows is left as it is where it is empty.
	Email string `json:"email,omitempty"`
	ID    string `json:"id,omitempty"`
	schema.OrderDetails
}

// beginOrder brings a received order to processing and returns it as it stands.
// An order that is not known yet is written as received first.
func (w *Worker) beginOrder(ctx context.Context, r pipeline.Record, m schema.OrderProcessing) (schema.Order, error) {
	var order schema.Order
	key := schema.OrderKey(m.Email, m.ID)
	_, err := pipeline.Update(ctx, w.records, key, func(_ schema.Order, exists bool) (any, error) {
		if exists {
			return nil, nil
		}
		return schema.Order{Change: change(ctx, r, schema.StatusReceived), Email: m.Email, ID: m.ID, OrderDetails: m.OrderDetails}, nil
	})
	if err != nil {
		return order, err
	}
	// A message whose step is done already does not begin an order that was
	// received again: the change to received has a message of its own.
	spent, err := w.once.Done(ctx, stepClaim(m.Email, m.ID, r.Cause))
	if err != nil {
		return order, err
	}
	it, err := pipeline.Update(ctx, w.records, key, func(current schema.Order, _ bool) (any, error) {
		if current.Status != schema.StatusReceived || spent {
			return nil, nil
		}
		next := orderPatch{Change: change(ctx, r, schema.StatusProcessing), Email: m.Email, ID: m.ID}
		if d := current.OrderDetails; len(d.Items) == 0 && d.Amount == 0 && d.Currency == "" {
			next.OrderDetails = m.OrderDetails
		}
		return patch(next)
	})
	if err != nil {
		return order, err
	}
	return order, it.Decode(&order)
}

// stepResult is what a claim remembers of a step.
type stepResult struct {
	Failed string `json:"failed,omitempty"` // why; "" for success
}

// stepOnce runs the step, unless it ran before for what brought the order to
// processing. An order that is received again is a case of its own.
func (w *Worker) stepOnce(ctx context.Context, order schema.Order) (stepResult, error) {
	var result stepResult
	raw, err := w.once.Do(ctx, stepClaim(order.Email, order.ID, order.Cause), func(ctx context.Context) (json.RawMessage, error) {
		var done stepResult
		if err := w.step(ctx, order); err != nil {
			permanent, ok := errors.AsType[*pipeline.PermanentError](err)
			if !ok {
				return nil, fmt.Errorf("step: %w", err)
			}
			done.Failed = cmp.Or(permanent.Error(), "the step gave no reason")
		}
		return json.Marshal(done)
	})
	if err != nil {
		return result, err
	}
	return result, json.Unmarshal(raw, &result)
}

// stepClaim is the claim on an order's step, for what brought it to processing.
func stepClaim(email, id, cause string) string {
	return "order#" + pipeline.DeriveID(email, id, cause)
}
