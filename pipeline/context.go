package pipeline

import "context"

type recordKey struct{}

// recordContext is a context that carries a record. Run allocates those of a
// batch at once.
type recordContext struct {
	context.Context
	record *Record
}

func (c *recordContext) Value(key any) any {
	if _, ok := key.(recordKey); ok {
		return c.record
	}
	return c.Context.Value(key)
}

// WithRecord returns a context that carries r, as Run passes to handlers.
func WithRecord(ctx context.Context, r Record) context.Context {
	return &recordContext{ctx, &r}
}

// RecordFrom returns the record that ctx carries.
func RecordFrom(ctx context.Context) (Record, bool) {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		return *r, true
	}
	return Record{}, false
}

type messageKey struct{}

func withMessage(ctx context.Context, m *Message) context.Context {
	return context.WithValue(ctx, messageKey{}, m)
}

// MessageFrom returns the message that a Router is handling under ctx.
func MessageFrom(ctx context.Context) (Message, bool) {
	if m, ok := ctx.Value(messageKey{}).(*Message); ok {
		return *m, true
	}
	return Message{}, false
}
