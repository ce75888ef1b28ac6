package eventsource

import (
	"slices"
	"sync"
)

// groups prevents two batches of one message group from running at the same
// time. SQS does so too while the messages are invisible; groups also covers a
// visibility timeout that ends early.
type groups struct {
	mu   sync.Mutex
	free *sync.Cond
	busy map[string]bool
}

func newGroups() *groups {
	g := &groups{busy: make(map[string]bool)}
	g.free = sync.NewCond(&g.mu)
	return g
}

func groupNames(batch []message) []string {
	var names []string
	for _, m := range batch {
		if !slices.Contains(names, m.group()) {
			names = append(names, m.group())
		}
	}
	return names
}

// lock waits until all names are free and takes them in one step.
func (g *groups) lock(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for slices.ContainsFunc(names, func(n string) bool { return g.busy[n] }) {
		g.free.Wait()
	}
	for _, n := range names {
		g.busy[n] = true
	}
}

func (g *groups) unlock(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range names {
		delete(g.busy, n)
	}
	g.free.Broadcast()
}
