package tabletest

import (
	"context"
	"iter"

	"sluice/pipeline"
)

// A faultyTable is a correct table with some methods replaced. The replacements
// may use the correct table.
type faultyTable struct {
	table pipeline.Table

	get   func(ctx context.Context, k pipeline.Key) (pipeline.Item, error)
	put   func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error)
	del   func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error
	query func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error]
}

func (f *faultyTable) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if f.get != nil {
		return f.get(ctx, k)
	}
	return f.table.Get(ctx, k)
}

func (f *faultyTable) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if f.put != nil {
		return f.put(ctx, it, c)
	}
	return f.table.Put(ctx, it, c)
}

func (f *faultyTable) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if f.del != nil {
		return f.del(ctx, k, c)
	}
	return f.table.Delete(ctx, k, c)
}

func (f *faultyTable) Query(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
	if f.query != nil {
		return f.query(ctx, pk, skPrefix)
	}
	return f.table.Query(ctx, pk, skPrefix)
}

// The signatures of the replaced methods.

type (
	getFunc   = func(ctx context.Context, k pipeline.Key) (pipeline.Item, error)
	putFunc   = func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error)
	delFunc   = func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error
	queryFunc = func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error]
)

func faultInGet(fault func(m *Memory) getFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, get: fault(m)}
	}
}

func faultInPut(fault func(m *Memory) putFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, put: fault(m)}
	}
}

func faultInDelete(fault func(m *Memory) delFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, del: fault(m)}
	}
}

func faultInQuery(fault func(m *Memory) queryFunc) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, query: fault(m)}
	}
}

// faultInItems changes the items that every method returns, like a backend that
// encodes or decodes them wrongly.
func faultInItems(fault func(it pipeline.Item) pipeline.Item) func() pipeline.Table {
	return func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{
			table: m,
			get: func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
				it, err := m.Get(ctx, k)
				return fault(it), err
			},
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				it, err := m.Put(ctx, it, c)
				return fault(it), err
			},
			query: faultInYield(m, fault),
		}
	}
}

// faultInYield changes the items that Query yields.
func faultInYield(m *Memory, fault func(it pipeline.Item) pipeline.Item) queryFunc {
	return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
		return func(yield func(pipeline.Item, error) bool) {
			for it, err := range m.Query(ctx, pk, skPrefix) {
				if err == nil {
					it = fault(it)
				}
				if !yield(it, err) {
					return
				}
			}
		}
	}
}

// faultyAccept stores nothing and reports success for the rejected items that
// fault selects.
func faultyAccept(fault func(it pipeline.Item, refusal *pipeline.ItemError) bool) func() pipeline.Table {
	return faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if refusal, ok := err.(*pipeline.ItemError); ok && fault(it, refusal) {
				return it, nil
			}
			return stored, err
		}
	})
}

// faultyRefuse rejects the valid items that fault selects.
func faultyRefuse(fault func(it pipeline.Item) bool) func() pipeline.Table {
	return faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if pipeline.CheckItem(it) == nil && fault(it) {
				return pipeline.Item{}, &pipeline.ItemError{Key: it.Key, Field: "Data", Reason: "is rejected by the fault"}
			}
			return m.Put(ctx, it, c)
		}
	})
}
