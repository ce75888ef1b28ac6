package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/sqserr"
	"sluice/deploy/local/store"
)

// Statuses of a move task, as SQS names them.
const (
	moveRunning   = "RUNNING"
	moveCompleted = "COMPLETED"
	moveCancelled = "CANCELLED"
	moveFailed    = "FAILED"
)

const (
	maxMoveRate  = 500
	maxMoveTasks = 10 // that are kept of each source queue
)

// moveTask moves messages out of a dead-letter queue. It is stored, and resumes
// after a restart.
type moveTask struct {
	Source      string `json:"source"`                // queue
	Destination string `json:"destination,omitempty"` // queue; "" is the source of each message
	Rate        int    `json:"rate,omitempty"`        // messages a second; 0 is without a limit
	Status      string `json:"status"`
	Moved       int64  `json:"moved"`
	ToMove      int64  `json:"toMove"`  // at the start
	Started     int64  `json:"started"` // Unix milliseconds
	Failure     string `json:"failure,omitempty"`

	id []byte // its key: source, 0, started, random
}

func taskPrefix(source string) []byte { return append([]byte(source), 0) }

// readTasks returns the tasks of a source queue, the newest first.
func readTasks(tx *bbolt.Tx, source string) (out []moveTask, err error) {
	prefix := taskPrefix(source)
	c := tx.Bucket(tasksBucket).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		var t moveTask
		if err := json.Unmarshal(v, &t); err != nil {
			return nil, err
		}
		t.id = bytes.Clone(k)
		out = append([]moveTask{t}, out...)
	}
	return out, nil
}

func (t *moveTask) write(tx *bbolt.Tx) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket(tasksBucket).Put(t.id, raw)
}

func readTask(tx *bbolt.Tx, id []byte) (moveTask, bool) {
	var t moveTask
	raw := tx.Bucket(tasksBucket).Get(id)
	if raw == nil || json.Unmarshal(raw, &t) != nil {
		return t, false
	}
	t.id = bytes.Clone(id)
	return t, true
}

func (t *moveTask) handle() string { return base64.URLEncoding.EncodeToString(t.id) }

// StartMessageMoveTaskInput is the input of [Service.StartMessageMoveTask].
type StartMessageMoveTaskInput struct {
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn"` // "" is the source of each message
	MaxPerSecond   *int64 `json:"MaxNumberOfMessagesPerSecond"`
}

// StartMessageMoveTaskOutput is the output of [Service.StartMessageMoveTask].
type StartMessageMoveTaskOutput struct {
	TaskHandle string `json:"TaskHandle"`
}

// StartMessageMoveTask starts to move the messages of a dead-letter queue in the
// background. One task at a time runs for a queue.
func (s *Service) StartMessageMoveTask(ctx context.Context, in *StartMessageMoveTaskInput) (*StartMessageMoveTaskOutput, error) {
	t := moveTask{Status: moveRunning}
	if rate := in.MaxPerSecond; rate != nil {
		if *rate < 1 || *rate > maxMoveRate {
			return nil, sqserr.InvalidValue(*rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
		}
		t.Rate = int(*rate)
	}
	if in.SourceARN == "" {
		return nil, sqserr.MissingParameter("SourceArn")
	}
	var ok bool
	if t.Source, ok = s.nameFromARN(in.SourceARN); !ok {
		return nil, errNoResource("SourceArn")
	}
	if in.DestinationARN != "" {
		if t.Destination, ok = s.nameFromARN(in.DestinationARN); !ok {
			return nil, errNoResource("DestinationArn")
		}
	}
	var tail [8]byte
	_, _ = rand.Read(tail[:])
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		q, err := s.open(tx, t.Source)
		if err != nil {
			return store.Unchanged(errNoResource("SourceArn"))
		}
		if err := s.checkMove(tx, q, &t); err != nil {
			return store.Unchanged(err)
		}
		old, err := readTasks(tx, t.Source)
		if err != nil {
			return err
		}
		for _, o := range old {
			if o.Status == moveRunning {
				return store.Unchanged(sqserr.InvalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time."))
			}
		}
		for len(old) >= maxMoveTasks {
			if err := tx.Bucket(tasksBucket).Delete(old[len(old)-1].id); err != nil {
				return err
			}
			old = old[:len(old)-1]
		}
		t.Started, t.ToMove = q.now, q.census().ready
		t.id = append(binary.BigEndian.AppendUint64(taskPrefix(t.Source), uint64(q.now)), tail[:]...)
		return t.write(tx)
	})
	if err != nil {
		return nil, err
	}
	s.runMove(t)
	return &StartMessageMoveTaskOutput{t.handle()}, nil
}

func errNoResource(parameter string) error {
	return sqserr.ResourceNotFound("The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// checkMove returns an error unless the source is a dead-letter queue and the
// destination is of the same type.
func (s *Service) checkMove(tx *bbolt.Tx, q *queue, t *moveTask) error {
	if t.Destination != "" {
		d, err := s.open(tx, t.Destination)
		if err != nil {
			return errNoResource("DestinationArn")
		}
		if t.Destination == t.Source {
			return sqserr.InvalidParameter("Source queue arn and destination queue arn cannot be the same.")
		}
		if d.conf.FIFO != q.conf.FIFO {
			return sqserr.InvalidParameter("Source queue and destination queue must be of the same type.")
		}
	}
	isTarget := false
	arn := s.ARN(t.Source)
	err := tx.Bucket(rootBucket).ForEachBucket(func(name []byte) error {
		other, err := s.open(tx, string(name))
		if err == nil && other.conf.Redrive != nil && other.conf.Redrive.Target == arn {
			isTarget = true
		}
		return err
	})
	if err == nil && !isTarget {
		return sqserr.InvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	return err
}

// resumeTasks starts the tasks that were running when the service was last
// closed.
func (s *Service) resumeTasks() error {
	var running []moveTask
	err := s.db.View(func(tx *bbolt.Tx) error {
		running = nil
		return tx.Bucket(tasksBucket).ForEach(func(k, v []byte) error {
			var t moveTask
			if err := json.Unmarshal(v, &t); err != nil {
				return err
			}
			if t.Status == moveRunning {
				t.id = bytes.Clone(k)
				running = append(running, t)
			}
			return nil
		})
	})
	for _, t := range running {
		s.runMove(t)
	}
	return err
}

// CancelMessageMoveTaskInput is the input of [Service.CancelMessageMoveTask].
type CancelMessageMoveTaskInput struct {
	TaskHandle string `json:"TaskHandle"`
}

// CancelMessageMoveTaskOutput is the output of [Service.CancelMessageMoveTask].
type CancelMessageMoveTaskOutput struct {
	Moved int64 `json:"ApproximateNumberOfMessagesMoved"`
}

// CancelMessageMoveTask ends a running task. Messages that it has moved stay
// where they are.
func (s *Service) CancelMessageMoveTask(ctx context.Context, in *CancelMessageMoveTaskInput) (*CancelMessageMoveTaskOutput, error) {
	if in.TaskHandle == "" {
		return nil, sqserr.MissingParameter("TaskHandle")
	}
	id, err := base64.URLEncoding.DecodeString(in.TaskHandle)
	if err != nil {
		return nil, sqserr.InvalidParameter("Value for parameter TaskHandle is invalid.")
	}
	out := &CancelMessageMoveTaskOutput{}
	err = s.db.Update(ctx, func(tx *bbolt.Tx) error {
		t, ok := readTask(tx, id)
		if !ok {
			return store.Unchanged(sqserr.ResourceNotFound("Task does not exist."))
		}
		if t.Status != moveRunning {
			return store.Unchanged(sqserr.Unsupported("Only running tasks can be cancelled, this one is %s.", t.Status))
		}
		t.Status, out.Moved = moveCancelled, t.Moved
		return t.write(tx)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListMessageMoveTasksInput is the input of [Service.ListMessageMoveTasks].
type ListMessageMoveTasksInput struct {
	SourceARN  string `json:"SourceArn"`
	MaxResults *int64 `json:"MaxResults"` // nil is 1
}

// ListMessageMoveTasksOutput is the output of [Service.ListMessageMoveTasks].
type ListMessageMoveTasksOutput struct {
	Results []MoveTask `json:"Results"`
}

// MoveTask is a move task as clients see it.
type MoveTask struct {
	TaskHandle     string `json:"TaskHandle,omitempty"` // of running tasks only
	Status         string `json:"Status"`
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn,omitempty"`
	MaxPerSecond   int    `json:"MaxNumberOfMessagesPerSecond,omitempty"`
	Moved          int64  `json:"ApproximateNumberOfMessagesMoved"`
	ToMove         int64  `json:"ApproximateNumberOfMessagesToMove"`
	FailureReason  string `json:"FailureReason,omitempty"`
	Started        int64  `json:"StartedTimestamp"` // Unix milliseconds
}

// ListMessageMoveTasks returns the latest move tasks of a queue, the newest
// first.
func (s *Service) ListMessageMoveTasks(_ context.Context, in *ListMessageMoveTasksInput) (*ListMessageMoveTasksOutput, error) {
	limit := 1
	if n := in.MaxResults; n != nil {
		if *n < 1 || *n > maxMoveTasks {
			return nil, sqserr.InvalidValue(*n, "MaxResults", "Must be between 1 and 10, if provided.")
		}
		limit = int(*n)
	}
	if in.SourceARN == "" {
		return nil, sqserr.MissingParameter("SourceArn")
	}
	name, ok := s.nameFromARN(in.SourceARN)
	if ok {
		_, err := s.QueueStats(name)
		ok = err == nil
	}
	if !ok {
		return nil, errNoResource("SourceArn")
	}
	out := &ListMessageMoveTasksOutput{Results: []MoveTask{}}
	err := s.db.View(func(tx *bbolt.Tx) error {
		tasks, err := readTasks(tx, name)
		if err != nil {
			return err
		}
		for _, t := range tasks[:min(limit, len(tasks))] {
			o := MoveTask{
				Status: t.Status, SourceARN: in.SourceARN, MaxPerSecond: t.Rate,
				Moved: t.Moved, ToMove: t.ToMove, FailureReason: t.Failure, Started: t.Started,
			}
			if t.Destination != "" {
				o.DestinationARN = s.ARN(t.Destination)
			}
			if t.Status == moveRunning {
				o.TaskHandle = t.handle()
			}
			out.Results = append(out.Results, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
