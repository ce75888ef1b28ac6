package tabletest

import (
	"context"
	"iter"

	"sluice/pipeline"
)

// A liar is an honest table of which some methods are replaced. The replaced
// ones may use the honest table.
type liar struct {
	honest pipeline.Table

	get   func(ctx context.Context, k pipeline.Key) (pipeline.Item, error)
	put   func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error)
	del   func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error
	query func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error]
}

func (l *liar) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if l.get != nil {
		return l.get(ctx, k)
	}
	return l.honest.Get(ctx, k)
}

func (l *liar) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if l.put != nil {
		return l.put(ctx, it, c)
	}
	return l.honest.Put(ctx, it, c)
}

func (l *liar) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if l.del != nil {
		return l.del(ctx, k, c)
	}
	return l.honest.Delete(ctx, k, c)
}

func (l *liar) Query(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
	if l.query != nil {
		return l.query(ctx, pk, skPrefix)
	}
	return l.honest.Query(ctx, pk, skPrefix)
}

// The liars of one method.

type (
	getFunc   = func(ctx context.Context, k pipeline.Key) (pipeline.Item, error)
	putFunc   = func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error)
	delFunc   = func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error
	queryFunc = func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error]
)

func lieInGet(lie func(m *Memory) getFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, get: lie(m)}
	}
}

func lieInPut(lie func(m *Memory) putFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, put: lie(m)}
	}
}

func lieInDelete(lie func(m *Memory) delFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, del: lie(m)}
	}
}

func lieInQuery(lie func(m *Memory) queryFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, query: lie(m)}
	}
}

// lieInItems changes what every read returns, as a backend does that stores or
// decodes wrongly.
func lieInItems(lie func(it pipeline.Item) pipeline.Item) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &liar{
			honest: m,
			get: func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
				it, err := m.Get(ctx, k)
				return lie(it), err
			},
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				it, err := m.Put(ctx, it, c)
				return lie(it), err
			},
			query: lieInYield(m, lie),
		}
	}
}

// lieInYield changes the items that a query yields.
func lieInYield(m *Memory, lie func(it pipeline.Item) pipeline.Item) queryFunc {
	return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
		return func(yield func(pipeline.Item, error) bool) {
			for it, err := range m.Query(ctx, pk, skPrefix) {
				if err == nil {
					it = lie(it)
				}
				if !yield(it, err) {
					return
				}
			}
		}
	}
}

// lieAccept stores nothing and reports success where the honest table refuses
// an item and lie says so.
func lieAccept(lie func(it pipeline.Item, refusal *pipeline.ItemError) bool) func() pipeline.Table {
	return lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if refusal, ok := err.(*pipeline.ItemError); ok && lie(it, refusal) {
				return it, nil
			}
			return stored, err
		}
	})
}

// lieRefuse refuses items that an honest table stores.
func lieRefuse(lie func(it pipeline.Item) bool) func() pipeline.Table {
	return lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if pipeline.CheckItem(it) == nil && lie(it) {
				return pipeline.Item{}, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: "is not to my taste"}
			}
			return m.Put(ctx, it, c)
		}
	})
}
