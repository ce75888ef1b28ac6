package queue

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

// CreateQueueInput is the input of [Service.CreateQueue].
type CreateQueueInput struct {
	QueueName  string            `json:"QueueName"`
	Attributes map[string]string `json:"Attributes"`
	Tags       map[string]string `json:"tags"` // lower case in AWS
}

// QueueURLOutput is the output of [Service.CreateQueue] and
// [Service.GetQueueURL].
type QueueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

// CreateQueue creates a queue. If the queue exists with the same values for the
// attributes, nothing changes; if a value differs, the error is QueueNameExists.
func (s *Service) CreateQueue(ctx context.Context, in *CreateQueueInput) (*QueueURLOutput, error) {
	if in.QueueName == "" {
		return nil, sqserr.MissingParameter("QueueName")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.create(ctx, in.QueueName, in.Attributes, in.Tags, refuseDifferences); err != nil {
		return nil, err
	}
	return &QueueURLOutput{s.URL(in.QueueName)}, nil
}

// Create is [Service.CreateQueue] without tags.
func (s *Service) Create(ctx context.Context, name string, attrs map[string]string) error {
	return s.create(ctx, name, attrs, nil, refuseDifferences)
}

// Ensure creates a queue unless it exists. An existing queue stays unchanged, and
// Ensure returns where it differs from attrs.
func (s *Service) Ensure(ctx context.Context, name string, attrs map[string]string) ([]settings.Difference, error) {
	var out []settings.Difference
	err := s.create(ctx, name, attrs, nil, func(found []settings.Difference) error {
		out = found
		return nil
	})
	return out, err
}

// refuseDifferences returns QueueNameExists for the first difference.
func refuseDifferences(found []settings.Difference) error {
	if len(found) == 0 {
		return nil
	}
	return sqserr.New("QueueNameExists", "QueueAlreadyExists",
		"A queue already exists with the same name and a different value for attribute %s", found[0].Attribute)
}

// create creates a queue, or calls exists with the differences between the
// existing queue and attrs.
func (s *Service) create(ctx context.Context, name string, attrs, tags map[string]string, exists func([]settings.Difference) error) error {
	fifo := strings.EqualFold(attrs[settings.FIFOQueue], "true")
	if !validName(name) || strings.HasSuffix(name, fifoSuffix) != fifo {
		if fifo {
			return sqserr.InvalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
		}
		return sqserr.InvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	given, err := settings.Normalize(attrs, fifo)
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
		return exists(q.conf.Differences(given))
	}
	// A reading transaction first, so that the queue is found on a full disk too.
	if err := s.db.View(find); err != nil || found {
		return err
	}
	return s.db.Update(ctx, func(tx *bbolt.Tx) error {
		if err := find(tx); err != nil || found {
			return store.Unchanged(err)
		}
		if err := s.checkRedrive(tx, name, fifo, given[settings.RedrivePolicy]); err != nil {
			return store.Unchanged(err)
		}
		b, err := tx.Bucket(rootBucket).CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		now := s.opt.Now().Unix()
		c := &settings.Settings{ID: rand.Uint64(), Created: now, Modified: now}
		c.Set(given)
		raw, err := c.Encode()
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

// checkRedrive returns an error unless the target of a redrive policy exists, is
// of the same type as the queue, and allows it.
func (s *Service) checkRedrive(tx *bbolt.Tx, name string, fifo bool, policy string) error {
	if policy == "" {
		return nil
	}
	refuse := func(reason string) error { return sqserr.InvalidValue(policy, settings.RedrivePolicy, reason) }
	var p settings.Redrive
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return refuse("Redrive policy is not a valid JSON map.")
	}
	target, ok := s.nameFromARN(p.Target)
	if !ok {
		return refuse("Invalid value for deadLetterTargetArn.")
	}
	if target == name {
		return refuse("A queue cannot be its own dead letter target.")
	}
	dead, err := s.open(tx, target)
	if err != nil {
		return refuse("Dead letter target does not exist.")
	}
	if dead.conf.FIFO != fifo {
		return refuse("Dead-letter queue must be same type of queue as the source.")
	}
	if !dead.conf.Allows(s.ARN(name)) {
		return refuse("Dead letter target does not allow this queue.")
	}
	return nil
}
