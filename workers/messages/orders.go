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

// A Step fulfils an order, between the statuses "processing" and "completed". A nil
// error completes the order; pipeline.Permanent fails it, with the error as its
// reason; pipeline.RetryAfter and other errors retry the step. A step that was
// interrupted is started again, so it should recognise orders by email and id.
type Step func(ctx context.Context, o schema.Order) error

// step returns the Step of ORDER_ENDPOINT. Without an endpoint it does nothing.
func (c Config) step() Step {
	if c.OrderEndpoint == "" {
		return func(context.Context, schema.Order) error { return nil }
	}
	return postStep(string(c.OrderEndpoint))
}

// orderProcessing changes an order from received to processing, and from there to
// completed or failed. If the worker stops in between, the next delivery continues
// with an order in processing. A cancelled order stays cancelled.
func (w *Worker) orderProcessing(ctx context.Context, r pipeline.Record, m schema.OrderProcessing) error {
	m.Email = schema.NormalizeAddress(m.Email)
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
			// The order was cancelled, or received again, so its status is kept.
			w.log.WarnContext(ctx, "order was changed during its step", "email", m.Email, "order", m.ID, "status", current.Status)
			return nil, nil
		case result.Failed != "":
			return patch(orderPatch{Change: change(ctx, r, schema.StatusFailed), Reason: &result.Failed})
		}
		return patch(orderPatch{Change: change(ctx, r, schema.StatusCompleted)})
	})
	return err
}

// orderPatch is the patch of an order's record. It keeps the order's details and
// the members that this worker does not know.
type orderPatch struct {
	schema.Change
	Reason *string `json:"reason"` // nil removes it
	// Empty fields keep the record's.
	Email string `json:"email,omitempty"`
	ID    string `json:"id,omitempty"`
	schema.OrderDetails
}

// beginOrder changes a received order to processing and returns the record's
// content. A new order is first written as received.
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
	// A message whose step is done does not start an order that was received
	// again: that change has a message of its own.
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

// stepResult is the result of a step that its claim stores.
type stepResult struct {
	Failed string `json:"failed,omitempty"` // the reason; "" for success
}

// stepOnce runs the step, unless it ran before for the cause that changed the order
// to processing. An order that is received again has another cause.
func (w *Worker) stepOnce(ctx context.Context, order schema.Order) (stepResult, error) {
	var result stepResult
	raw, err := w.once.Do(ctx, stepClaim(order.Email, order.ID, order.Cause), func(ctx context.Context) (json.RawMessage, error) {
		var done stepResult
		if err := w.step(ctx, order); err != nil {
			permanent, ok := errors.AsType[*pipeline.PermanentError](err)
			if !ok {
				return nil, fmt.Errorf("step: %w", err)
			}
			done.Failed = cmp.Or(permanent.Error(), "the step returned no reason")
		}
		return json.Marshal(done)
	})
	if err != nil {
		return result, err
	}
	return result, json.Unmarshal(raw, &result)
}

// stepClaim is the claim on an order's step. The cause is that of the change to
// processing.
func stepClaim(email, id, cause string) string {
	return "order#" + pipeline.DeriveID(email, id, cause)
}
