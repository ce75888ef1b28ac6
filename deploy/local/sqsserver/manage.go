package sqsserver

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// createQueue makes a queue or finds one; exists tells whether that is as wanted.
func (s *Service) createQueue(ctx context.Context, name string, attrs, tags map[string]string, exists func(c *config, given map[string]string) error) error {
	fifo := strings.EqualFold(attrs[attrFifo], "true")
	if !validName(name) || strings.HasSuffix(name, fifoSuffix) != fifo {
		if fifo {
			return errInvalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
		}
		return errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	given, err := normalize(attrs, fifo)
	if err != nil {
		return err
	}
	found := false
	find := func(tx *bbolt.Tx) error {
		if found = tx.Bucket(rootBucket).Bucket([]byte(name)) != nil; !found {
			return nil
		}
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return exists(q.conf, given)
	}
	// Looked for first: on a full disk it can still be found.
	if err := s.db.View(find); err != nil || found {
		return err
	}
	return s.db.Update(ctx, func(tx *bbolt.Tx) error {
		if err := find(tx); err != nil || found {
			return store.Unchanged(err)
		}
		root := tx.Bucket(rootBucket)
		if err := s.checkRedrive(tx, name, fifo, given[attrRedrive]); err != nil {
			return store.Unchanged(err)
		}
		b, err := root.CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		now := s.opt.Now().Unix()
		c := &config{ID: rand.Uint64(), Created: now, Modified: now}
		c.set(given)
		raw, err := c.encode()
		if err != nil {
			return err
		}
		if err := b.Put(keyConfig, raw); err != nil {
			return err
		}
		for _, sub := range append(slices.Clone(perMessage), keyDedup, keyDedupEnd) {
			if _, err := b.CreateBucket(sub); err != nil {
				return err
			}
		}
		return putTags(b, tags)
	})
}

// differs names the first attribute, by name, that a queue was made with another value of.
func (c *config) differs(given map[string]string) error {
	for _, d := range c.differences(given) {
		return newError("QueueNameExists", "QueueAlreadyExists",
			"A queue already exists with the same name and a different value for attribute %s", d.Attribute)
	}
	return nil
}

// differences are the attributes, by name, that do not have the value given.
func (c *config) differences(given map[string]string) (out []Difference) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if v, _ := c.value(name); v != given[name] {
			out = append(out, Difference{name, v, given[name]})
		}
	}
	return out
}

// checkRedrive tells whether the redrive policy's target exists, is of the same kind, and lets this queue.
func (s *Service) checkRedrive(tx *bbolt.Tx, name string, fifo bool, policy string) error {
	if policy == "" {
		return nil
	}
	var p redrivePolicy
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return errValue(policy, attrRedrive, "Redrive policy is not a valid JSON map.")
	}
	target, ok := s.nameFromARN(p.Target)
	if !ok {
		return errValue(policy, attrRedrive, "Invalid value for deadLetterTargetArn.")
	}
	if target == name {
		return errValue(policy, attrRedrive, "A queue cannot be its own dead letter target.")
	}
	dead, err := s.open(tx, target)
	if err != nil {
		return errValue(policy, attrRedrive, "Dead letter target does not exist.")
	}
	if dead.conf.fifo != fifo {
		return errValue(policy, attrRedrive, "Dead-letter queue must be same type of queue as the source.")
	}
	if !dead.conf.allows(s.ARN(name)) {
		return errValue(policy, attrRedrive, "Dead letter target does not allow this queue.")
	}
	return nil
}

// setAttributes changes the attributes that are given and leaves the others.
func (s *Service) setAttributes(ctx context.Context, name string, attrs map[string]string) error {
	fifo := strings.HasSuffix(name, fifoSuffix)
	given, err := normalize(attrs, fifo)
	if err != nil {
		return err
	}
	return s.change(ctx, name, func(q *queue) error {
		if err := s.checkRedrive(q.tx, name, fifo, given[attrRedrive]); err != nil {
			return err
		}
		c := *q.conf
		c.Attrs = maps.Clone(c.Attrs)
		c.set(given)
		if c.Attrs[attrThroughput] == "perMessageGroupId" && c.Attrs[attrDedupScope] != "messageGroup" {
			return errAttributeValue(attrThroughput, "perMessageGroupId needs DeduplicationScope messageGroup.")
		}
		c.Modified = q.now / 1000
		raw, err := c.encode()
		if err != nil {
			return err
		}
		q.wake = true // retention or the limit may be another
		return q.b.Put(keyConfig, raw)
	})
}

// attributes shows the attributes that names asks for; "All" asks for all.
func (s *Service) attributes(name string, names []string) (map[string]string, error) {
	all := slices.Contains(names, "All")
	known := slices.Concat(readOnly, slices.Collect(maps.Keys(numeric)), []string{
		attrPolicy, attrRedrive, attrRedriveAllow, attrKmsKey, attrSse, attrFifo, attrContentDedup, attrDedupScope, attrThroughput,
	})
	for _, n := range names {
		if n != "All" && !slices.Contains(known, n) {
			return nil, errAttributeName("Unknown Attribute %s.", n)
		}
	}
	out := map[string]string{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		n := q.census()
		for _, a := range known {
			if !all && !slices.Contains(names, a) {
				continue
			}
			switch a {
			case attrCountReady:
				out[a] = strconv.FormatInt(n.ready, 10)
			case attrCountInFlight:
				out[a] = strconv.FormatInt(n.inFlight, 10)
			case attrCountDelayed:
				out[a] = strconv.FormatInt(n.delayed, 10)
			case attrCreated:
				out[a] = strconv.FormatInt(q.conf.Created, 10)
			case attrModified:
				out[a] = strconv.FormatInt(q.conf.Modified, 10)
			case attrARN:
				out[a] = s.ARN(name)
			default:
				if v, ok := q.conf.value(a); ok {
					out[a] = v
				}
			}
		}
		return nil
	})
	return out, err
}

// deleteQueue removes the queue and all in it.
func (s *Service) deleteQueue(ctx context.Context, name string) error {
	return s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		if _, err := s.open(tx, name); err != nil {
			return store.Unchanged(err)
		}
		tx.OnCommit(func() {
			s.confs.forget(name)
			s.lines.wakeAll(name)
		})
		tasks, err := readTasks(tx, name)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if err := tx.Bucket(tasksBucket).Delete(t.id); err != nil {
				return err
			}
		}
		return tx.Bucket(rootBucket).DeleteBucket([]byte(name))
	})
}

// list gives the names of queues in order, after the one in after, that begin with prefix and that keep accepts; more tells
// whether there are others behind.
func (s *Service) list(prefix, after string, limit int, keep func(*queue) bool) (names []string, more bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(rootBucket).Cursor()
		for k, _ := c.Seek([]byte(max(prefix, after))); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Next() {
			name := string(k)
			if name <= after {
				continue
			}
			if keep != nil {
				q, err := s.open(tx, name)
				if err != nil {
					return err
				}
				if !keep(q) {
					continue
				}
			}
			if len(names) == limit {
				more = true
				return nil
			}
			names = append(names, name)
		}
		return nil
	})
	return names, more, err
}

const maxTags = 50

func getTags(b *bbolt.Bucket) (map[string]string, error) {
	tags := map[string]string{}
	raw := b.Get(keyTags)
	if raw == nil {
		return tags, nil
	}
	return tags, json.Unmarshal(raw, &tags)
}

func putTags(b *bbolt.Bucket, tags map[string]string) error {
	if len(tags) == 0 {
		return b.Delete(keyTags)
	}
	raw, err := json.Marshal(tags)
	if err != nil {
		return err
	}
	return b.Put(keyTags, raw)
}

// checkTags follows the limits of AWS.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return errInvalidParameter("Too many tags added for queue: at most %d.", maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 {
			return errInvalidParameter("Tag keys have 1 to 128 characters and values at most 256: %q.", k)
		}
	}
	return nil
}

// changeTags sets and removes tags.
func (s *Service) changeTags(ctx context.Context, name string, set map[string]string, remove []string) error {
	return s.change(ctx, name, func(q *queue) error {
		tags, err := getTags(q.b)
		if err != nil {
			return err
		}
		maps.Copy(tags, set)
		for _, k := range remove {
			delete(tags, k)
		}
		if err := checkTags(tags); err != nil {
			return err
		}
		q.changed = true
		return putTags(q.b, tags)
	})
}
