package queue

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
)

// GetQueueAttributesInput is the input of [Service.GetQueueAttributes].
type GetQueueAttributesInput struct {
	QueueURL       string   `json:"QueueUrl"`
	AttributeNames []string `json:"AttributeNames"` // "All" selects all
}

// GetQueueAttributesOutput is the output of [Service.GetQueueAttributes].
type GetQueueAttributesOutput struct {
	Attributes map[string]string `json:"Attributes,omitempty"`
}

// GetQueueAttributes returns the attributes that were asked for and have a value.
// The numbers of messages are exact.
func (s *Service) GetQueueAttributes(_ context.Context, in *GetQueueAttributesInput) (*GetQueueAttributesOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	for _, n := range in.AttributeNames {
		if n != "All" && !slices.Contains(settings.Names, n) {
			return nil, sqserr.InvalidAttributeName("Unknown Attribute %s.", n)
		}
	}
	all := slices.Contains(in.AttributeNames, "All")
	out := &GetQueueAttributesOutput{Attributes: map[string]string{}}
	err = s.view(name, func(q *queue) error {
		n := q.census()
		for _, a := range settings.Names {
			if !all && !slices.Contains(in.AttributeNames, a) {
				continue
			}
			if v, ok := q.attribute(a, n); ok {
				out.Attributes[a] = v
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (q *queue) attribute(name string, n counts) (value string, ok bool) {
	number := func(n int64) (string, bool) { return strconv.FormatInt(n, 10), true }
	switch name {
	case settings.MessagesReady:
		return number(n.ready)
	case settings.MessagesInFlight:
		return number(n.inFlight)
	case settings.MessagesDelayed:
		return number(n.delayed)
	case settings.CreatedTimestamp:
		return number(q.conf.Created)
	case settings.LastModifiedTimestamp:
		return number(q.conf.Modified)
	case settings.QueueARN:
		return q.s.ARN(q.name), true
	}
	return q.conf.Value(name)
}

// SetQueueAttributesInput is the input of [Service.SetQueueAttributes].
type SetQueueAttributesInput struct {
	QueueURL   string            `json:"QueueUrl"`
	Attributes map[string]string `json:"Attributes"`
}

// SetQueueAttributes changes the attributes that are given. They take effect at
// once.
func (s *Service) SetQueueAttributes(ctx context.Context, in *SetQueueAttributesInput) error {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return err
	}
	if len(in.Attributes) == 0 {
		return sqserr.MissingParameter("Attributes")
	}
	fifo := strings.HasSuffix(name, fifoSuffix)
	given, err := settings.Normalize(in.Attributes, fifo)
	if err != nil {
		return err
	}
	return s.change(ctx, name, func(q *queue) error {
		if err := s.checkRedrive(q.tx, name, fifo, given[settings.RedrivePolicy]); err != nil {
			return err
		}
		c := *q.conf
		c.Attrs = maps.Clone(c.Attrs)
		c.Set(given)
		if c.Attrs[settings.FIFOThroughputLimit] == "perMessageGroupId" && c.Attrs[settings.DeduplicationScope] != "messageGroup" {
			return sqserr.InvalidAttributeValue(settings.FIFOThroughputLimit, "perMessageGroupId needs DeduplicationScope messageGroup.")
		}
		c.Modified = q.now / 1000
		raw, err := c.Encode()
		if err != nil {
			return err
		}
		q.wake = true // the retention period may have changed
		return q.b.Put(keyConfig, raw)
	})
}
