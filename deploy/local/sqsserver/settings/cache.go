package settings

import (
	"bytes"
	"sync"
)

// Cache keeps the decoded settings of queues, so that an action decodes only
// settings that have changed. The zero value is ready to use. It is safe for
// concurrent use.
type Cache struct {
	mu     sync.RWMutex
	byName map[string]*Settings
}

// Get returns the settings of a queue whose stored form is raw.
func (cc *Cache) Get(name string, raw []byte) (*Settings, error) {
	cc.mu.RLock()
	c := cc.byName[name]
	cc.mu.RUnlock()
	if c != nil && bytes.Equal(c.raw, raw) {
		return c, nil
	}
	c, err := decode(raw)
	if err != nil {
		return nil, err
	}
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.byName == nil {
		cc.byName = map[string]*Settings{}
	}
	cc.byName[name] = c
	return c, nil
}

// Forget drops the settings of a queue that was deleted.
func (cc *Cache) Forget(name string) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	delete(cc.byName, name)
}
