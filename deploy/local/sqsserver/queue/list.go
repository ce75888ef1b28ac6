package queue

import (
	"context"
	"encoding/base64"
	"strings"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/sqserr"
)

// GetQueueURLInput is the input of [Service.GetQueueURL].
type GetQueueURLInput struct {
	QueueName string `json:"QueueName"`
	Owner     string `json:"QueueOwnerAWSAccountId"`
}

// GetQueueURL returns the URL of a queue that exists.
func (s *Service) GetQueueURL(_ context.Context, in *GetQueueURLInput) (*QueueURLOutput, error) {
	if in.QueueName == "" {
		return nil, sqserr.MissingParameter("QueueName")
	}
	if in.Owner != "" && in.Owner != s.opt.Account {
		return nil, sqserr.QueueDoesNotExist()
	}
	if err := s.view(in.QueueName, func(*queue) error { return nil }); err != nil {
		return nil, err
	}
	return &QueueURLOutput{s.URL(in.QueueName)}, nil
}

// Paging are the parameters of an action that returns a list in pages.
type Paging struct {
	NextToken  string `json:"NextToken"`
	MaxResults *int64 `json:"MaxResults"` // nil is 1000, and no token for the next page
}

const maxListed = 1000

// page returns the name after which the page begins, and its length.
func (p *Paging) page() (after string, limit int, err error) {
	limit = maxListed
	if p.MaxResults != nil {
		if *p.MaxResults < 1 || *p.MaxResults > maxListed {
			return "", 0, sqserr.InvalidValue(*p.MaxResults, "MaxResults", "Must be an integer value between 1 and 1000, if provided.")
		}
		limit = int(*p.MaxResults)
	}
	if p.NextToken != "" {
		b, err := base64.StdEncoding.DecodeString(p.NextToken)
		if err != nil || !validName(string(b)) {
			return "", 0, sqserr.InvalidParameter("Invalid or expired next token.")
		}
		after = string(b)
	}
	return after, limit, nil
}

// next returns the token of the next page. As in SQS, only callers that set
// MaxResults receive one.
func (p *Paging) next(names []string, more bool) string {
	if !more || p.MaxResults == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(names[len(names)-1]))
}

// ListQueuesInput is the input of [Service.ListQueues].
type ListQueuesInput struct {
	Prefix string `json:"QueueNamePrefix"`
	Paging
}

// ListQueuesOutput is the output of [Service.ListQueues].
type ListQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:"NextToken,omitempty"`
}

// ListQueues returns the queues whose names begin with a prefix, sorted by name.
func (s *Service) ListQueues(_ context.Context, in *ListQueuesInput) (*ListQueuesOutput, error) {
	after, limit, err := in.page()
	if err != nil {
		return nil, err
	}
	names, more, err := s.list(in.Prefix, after, limit, nil)
	if err != nil {
		return nil, err
	}
	return &ListQueuesOutput{s.urls(names), in.next(names, more)}, nil
}

// ListDeadLetterSourceQueuesInput is the input of
// [Service.ListDeadLetterSourceQueues].
type ListDeadLetterSourceQueuesInput struct {
	QueueURL string `json:"QueueUrl"`
	Paging
}

// ListDeadLetterSourceQueuesOutput is the output of
// [Service.ListDeadLetterSourceQueues].
type ListDeadLetterSourceQueuesOutput struct {
	QueueURLs []string `json:"queueUrls"` // lower case in AWS
	NextToken string   `json:"NextToken,omitempty"`
}

// ListDeadLetterSourceQueues returns the queues whose dead letters move to a
// queue, sorted by name.
func (s *Service) ListDeadLetterSourceQueues(_ context.Context, in *ListDeadLetterSourceQueuesInput) (*ListDeadLetterSourceQueuesOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	after, limit, err := in.page()
	if err != nil {
		return nil, err
	}
	if _, err := s.QueueStats(name); err != nil {
		return nil, err
	}
	arn := s.ARN(name)
	names, more, err := s.list("", after, limit, func(q *queue) bool {
		return q.conf.Redrive != nil && q.conf.Redrive.Target == arn
	})
	if err != nil {
		return nil, err
	}
	return &ListDeadLetterSourceQueuesOutput{s.urls(names), in.next(names, more)}, nil
}

func (s *Service) urls(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = s.URL(n)
	}
	return out
}

// list returns in order up to limit names of queues that sort after a name, begin
// with prefix and pass keep. more reports whether others follow.
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
