// Package settings has the attributes of a queue: their names, values and
// defaults, and the form in which they are stored.
package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Settings is what is stored about a queue beside its messages. Settings that a
// [Cache] returned are shared and must not be changed.
type Settings struct {
	ID       uint64            `json:"id"`       // unique among the queues that had this name; part of receipt handles
	Created  int64             `json:"created"`  // Unix seconds
	Modified int64             `json:"modified"` // Unix seconds
	Purged   int64             `json:"purged"`   // Unix milliseconds, 0 for never
	Attrs    map[string]string `json:"attrs"`    // normalized; an attribute that is missing has its default

	raw []byte // the stored form

	// Decoded from Attrs. Durations are in milliseconds.
	FIFO         bool     `json:"-"`
	Visibility   int64    `json:"-"`
	Delay        int64    `json:"-"`
	Retention    int64    `json:"-"`
	Wait         int64    `json:"-"`
	MaxBytes     int      `json:"-"`
	ContentDedup bool     `json:"-"`
	GroupScope   bool     `json:"-"` // deduplication ids count within their group
	Redrive      *Redrive `json:"-"` // nil without one
}

// Set stores attributes that [Normalize] returned; "" removes one.
func (c *Settings) Set(attrs map[string]string) {
	if c.Attrs == nil {
		c.Attrs = map[string]string{}
	}
	for name, v := range attrs {
		if v == "" {
			delete(c.Attrs, name)
			continue
		}
		c.Attrs[name] = v
	}
	if attrs[KmsMasterKeyID] != "" {
		c.Attrs[ManagedSSE] = "false"
	}
	if c.Attrs[KmsMasterKeyID] == "" {
		delete(c.Attrs, KmsDataKeyReusePeriod)
	}
}

// Encode returns the stored form.
func (c *Settings) Encode() ([]byte, error) { return json.Marshal(c) }

// decode decodes a stored form.
func decode(raw []byte) (*Settings, error) {
	c := &Settings{raw: bytes.Clone(raw)}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("decode stored queue settings: %w", err)
	}
	c.FIFO = c.Attrs[FIFOQueue] == "true"
	c.Visibility = c.number(VisibilityTimeout) * 1000
	c.Delay = c.number(DelaySeconds) * 1000
	c.Retention = c.number(MessageRetentionPeriod) * 1000
	c.Wait = c.number(ReceiveMessageWaitTimeSeconds) * 1000
	c.MaxBytes = int(c.number(MaximumMessageSize))
	c.ContentDedup = c.Attrs[ContentBasedDeduplication] == "true"
	c.GroupScope = c.Attrs[DeduplicationScope] == "messageGroup"
	if v := c.Attrs[RedrivePolicy]; v != "" {
		c.Redrive = new(Redrive)
		if err := json.Unmarshal([]byte(v), c.Redrive); err != nil {
			return nil, fmt.Errorf("decode stored redrive policy: %w", err)
		}
	}
	return c, nil
}

func (c *Settings) number(name string) int64 {
	if v, ok := c.Attrs[name]; ok {
		n, _ := strconv.ParseInt(v, 10, 64) // normalized when it was set
		return n
	}
	return int64(numeric[name].standard)
}

// Value returns an attribute as GetQueueAttributes reports it. ok is false for one
// without a value and without a default.
func (c *Settings) Value(name string) (value string, ok bool) {
	if v, ok := c.Attrs[name]; ok {
		return v, true
	}
	switch name {
	case KmsDataKeyReusePeriod:
		return "", false
	case ManagedSSE:
		return "true", true
	case ContentBasedDeduplication:
		return "false", c.FIFO
	case DeduplicationScope:
		return "queue", c.FIFO
	case FIFOThroughputLimit:
		return "perQueue", c.FIFO
	}
	if r, ok := numeric[name]; ok {
		return strconv.Itoa(r.standard), true
	}
	return "", false
}

// Difference is an attribute of a queue that has another value than was asked
// for.
type Difference struct{ Attribute, Is, Asked string }

// Differences returns the attributes, sorted by name, that have another value
// than given asks for.
func (c *Settings) Differences(given map[string]string) (out []Difference) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if v, _ := c.Value(name); v != given[name] {
			out = append(out, Difference{name, v, given[name]})
		}
	}
	return out
}
