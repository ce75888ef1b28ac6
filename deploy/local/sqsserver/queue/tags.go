package queue

import (
	"context"
	"encoding/json"
	"maps"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/sqserr"
)

const maxTags = 50

// TagQueueInput is the input of [Service.TagQueue].
type TagQueueInput struct {
	QueueURL string            `json:"QueueUrl"`
	Tags     map[string]string `json:"Tags"`
}

// TagQueue adds tags to a queue and replaces those with the same keys.
func (s *Service) TagQueue(ctx context.Context, in *TagQueueInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	if len(in.Tags) == 0 {
		return sqserr.MissingParameter("Tags")
	}
	return s.changeTags(ctx, name, in.Tags, nil)
}

// UntagQueueInput is the input of [Service.UntagQueue].
type UntagQueueInput struct {
	QueueURL string   `json:"QueueUrl"`
	TagKeys  []string `json:"TagKeys"`
}

// UntagQueue removes tags from a queue.
func (s *Service) UntagQueue(ctx context.Context, in *UntagQueueInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	if len(in.TagKeys) == 0 {
		return sqserr.MissingParameter("TagKeys")
	}
	return s.changeTags(ctx, name, nil, in.TagKeys)
}

// ListQueueTagsInput is the input of [Service.ListQueueTags].
type ListQueueTagsInput struct {
	QueueURL string `json:"QueueUrl"`
}

// ListQueueTagsOutput is the output of [Service.ListQueueTags].
type ListQueueTagsOutput struct {
	Tags map[string]string `json:"Tags,omitempty"`
}

// ListQueueTags returns the tags of a queue.
func (s *Service) ListQueueTags(_ context.Context, in *ListQueueTagsInput) (*ListQueueTagsOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	out := &ListQueueTagsOutput{}
	err = s.view(name, func(q *queue) (err error) {
		out.Tags, err = getTags(q.b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

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

// checkTags checks the limits of AWS.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return sqserr.InvalidParameter("Too many tags added for queue: at most %d.", maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 {
			return sqserr.InvalidParameter("Tag keys have 1 to 128 characters and values at most 256: %q.", k)
		}
	}
	return nil
}

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
