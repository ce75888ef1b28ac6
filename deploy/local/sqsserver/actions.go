package sqsserver

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

// actions are what the service can do, by name in the protocol.
var actions = map[string]action{
	"CreateQueue":                  typed((*Service).doCreateQueue),
	"GetQueueUrl":                  typed((*Service).doGetQueueURL),
	"GetQueueAttributes":           typed((*Service).doGetQueueAttributes),
	"SetQueueAttributes":           typed((*Service).doSetQueueAttributes),
	"ListQueues":                   typed((*Service).doListQueues),
	"ListDeadLetterSourceQueues":   typed((*Service).doListSources),
	"DeleteQueue":                  typed((*Service).doDeleteQueue),
	"PurgeQueue":                   typed((*Service).doPurgeQueue),
	"SendMessage":                  typed((*Service).doSend),
	"SendMessageBatch":             typed((*Service).doSendBatch),
	"ReceiveMessage":               typed((*Service).doReceive),
	"DeleteMessage":                typed((*Service).doDelete),
	"DeleteMessageBatch":           typed((*Service).doDeleteBatch),
	"ChangeMessageVisibility":      typed((*Service).doChangeVisibility),
	"ChangeMessageVisibilityBatch": typed((*Service).doChangeVisibilityBatch),
	"StartMessageMoveTask":         typed((*Service).doStartMove),
	"CancelMessageMoveTask":        typed((*Service).doCancelMove),
	"ListMessageMoveTasks":         typed((*Service).doListMoves),
	"TagQueue":                     typed((*Service).doTag),
	"UntagQueue":                   typed((*Service).doUntag),
	"ListQueueTags":                typed((*Service).doListTags),
	"AddPermission":                typed((*Service).doPermission),
	"RemovePermission":             typed((*Service).doPermission),
}

// none is the output of an action without one.
type none struct{}

type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueueInput struct {
	QueueName  string            `json:"QueueName"`
	Attributes map[string]string `json:"Attributes"`
	Tags       map[string]string `json:"tags"`
}

type queueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) doCreateQueue(ctx context.Context, r *request, in *createQueueInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, errMissing("QueueName")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.createQueue(ctx, in.QueueName, in.Attributes, in.Tags, (*config).differs); err != nil {
		return nil, err
	}
	return &queueURLOutput{s.queueURL(r.base, in.QueueName)}, nil
}

type getQueueURLInput struct {
	QueueName string `json:"QueueName"`
	Owner     string `json:"QueueOwnerAWSAccountId"`
}

func (s *Service) doGetQueueURL(_ context.Context, r *request, in *getQueueURLInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, errMissing("QueueName")
	}
	if in.Owner != "" && in.Owner != s.opt.Account {
		return nil, errNoQueue()
	}
	err := s.db.View(func(tx *bbolt.Tx) error {
		_, err := s.open(tx, in.QueueName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &queueURLOutput{s.queueURL(r.base, in.QueueName)}, nil
}

type getAttributesInput struct {
	QueueURL       string   `json:"QueueUrl"`
	AttributeNames []string `json:"AttributeNames"`
}

type attributesOutput struct {
	Attributes map[string]string `json:"Attributes,omitempty"`
}

func (s *Service) doGetQueueAttributes(_ context.Context, _ *request, in *getAttributesInput) (*attributesOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	attrs, err := s.attributes(name, in.AttributeNames)
	return &attributesOutput{attrs}, err
}

type setAttributesInput struct {
	QueueURL   string            `json:"QueueUrl"`
	Attributes map[string]string `json:"Attributes"`
}

func (s *Service) doSetQueueAttributes(ctx context.Context, _ *request, in *setAttributesInput) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, errMissing("Attributes")
	}
	return nil, s.setAttributes(ctx, name, in.Attributes)
}

type listInput struct {
	QueueURL   string `json:"QueueUrl"` // of ListDeadLetterSourceQueues
	Prefix     string `json:"QueueNamePrefix"`
	NextToken  string `json:"NextToken"`
	MaxResults *int64 `json:"MaxResults"`
}

const maxListed = 1000

// page reads the paging parameters: the name to go on after, and how many to show.
func (in *listInput) page() (after string, limit int, err error) {
	limit = maxListed
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > maxListed {
			return "", 0, errValue(*in.MaxResults, "MaxResults", "Must be an integer value between 1 and 1000, if provided.")
		}
		limit = int(*in.MaxResults)
	}
	if in.NextToken != "" {
		b, err := base64.StdEncoding.DecodeString(in.NextToken)
		if err != nil || !validName(string(b)) {
			return "", 0, errInvalidParameter("Invalid or expired next token.")
		}
		after = string(b)
	}
	return after, limit, nil
}

func (s *Service) urls(r *request, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = s.queueURL(r.base, n)
	}
	return out
}

// nextToken is given only to callers that asked for pages, as SQS does.
func nextToken(in *listInput, names []string, more bool) string {
	if !more || in.MaxResults == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(names[len(names)-1]))
}

type listQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:"NextToken,omitempty"`
}

func (s *Service) doListQueues(_ context.Context, r *request, in *listInput) (*listQueuesOutput, error) {
	after, limit, err := in.page()
	if err != nil {
		return nil, err
	}
	names, more, err := s.list(in.Prefix, after, limit, nil)
	return &listQueuesOutput{s.urls(r, names), nextToken(in, names, more)}, err
}

type listSourcesOutput struct {
	QueueURLs []string `json:"queueUrls"` // lower case is AWS's
	NextToken string   `json:"NextToken,omitempty"`
}

func (s *Service) doListSources(_ context.Context, r *request, in *listInput) (*listSourcesOutput, error) {
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
		return q.conf.redrive != nil && q.conf.redrive.Target == arn
	})
	return &listSourcesOutput{s.urls(r, names), nextToken(in, names, more)}, err
}

func (s *Service) doDeleteQueue(ctx context.Context, _ *request, in *queueInput) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteQueue(ctx, name)
}

func (s *Service) doPurgeQueue(ctx context.Context, _ *request, in *queueInput) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return nil, s.reduce(ctx, name, (*queue).purge)
}

type sendInput struct {
	QueueURL string `json:"QueueUrl"`
	outgoing
}

type sendOutput struct {
	MessageID      string `json:"MessageId"`
	MD5OfBody      string `json:"MD5OfMessageBody"`
	MD5OfAttrs     string `json:"MD5OfMessageAttributes,omitempty"`
	MD5OfSystem    string `json:"MD5OfMessageSystemAttributes,omitempty"`
	SequenceNumber string `json:"SequenceNumber,omitempty"`
}

func (p *prepared) output(a sent) sendOutput {
	out := sendOutput{
		MessageID: uuid(a.id), MD5OfBody: hex.EncodeToString(p.msg.md5[:]), MD5OfAttrs: p.md5Attrs, MD5OfSystem: p.md5System,
	}
	if a.seq != 0 {
		out.SequenceNumber = sequenceNumber(a.seq)
	}
	return out
}

func (s *Service) doSend(ctx context.Context, _ *request, in *sendInput) (*sendOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	p, err := prepare(&in.outgoing)
	if err != nil {
		return nil, err
	}
	var a sent
	err = s.grow(ctx, name, p.bytes, func(q *queue) (err error) {
		a, err = q.send(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := p.output(a)
	return &out, nil
}

type sendBatchInput struct {
	QueueURL string      `json:"QueueUrl"`
	Entries  []sendEntry `json:"Entries"`
}

type sendEntry struct {
	ID string `json:"Id"`
	outgoing
}

type sendBatchOutput struct {
	Successful []sentEntry   `json:"Successful"`
	Failed     []failedEntry `json:"Failed,omitempty"`
}

type sentEntry struct {
	ID string `json:"Id"`
	sendOutput
}

func (s *Service) doSendBatch(ctx context.Context, _ *request, in *sendBatchInput) (*sendBatchOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(idsOf(in.Entries, func(e *sendEntry) string { return e.ID })); err != nil {
		return nil, err
	}
	ps := make([]*prepared, len(in.Entries))
	fails := make([]*Error, len(in.Entries))
	total := 0
	for i := range in.Entries {
		e := &in.Entries[i]
		if e.Body != nil {
			total += len(*e.Body)
		}
		for n, v := range e.Attributes {
			total += len(n) + len(v.DataType) + len(v.BinaryValue)
			if v.StringValue != nil {
				total += len(*v.StringValue)
			}
		}
	}
	if total > maxMessageBytes {
		return nil, errBatch("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	for i := range in.Entries {
		p, err := prepare(&in.Entries[i].outgoing)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok {
				return nil, err
			}
			fails[i] = e
			continue
		}
		ps[i] = p
	}
	var out *sendBatchOutput
	err = s.grow(ctx, name, total, func(q *queue) error {
		out = &sendBatchOutput{Successful: make([]sentEntry, 0, len(ps))}
		if q.conf.fifo { // what every message of such a queue needs is asked of the batch as a whole
			for _, p := range ps {
				if p == nil {
					continue
				}
				if !p.hasDedup && !q.conf.contentDedup {
					return q.admit(p)
				}
				if !p.hasGroup {
					return errInvalidParameter("The request must contain the parameter MessageGroupId.")
				}
			}
		}
		for i, p := range ps {
			id := in.Entries[i].ID
			if p == nil {
				out.Failed = append(out.Failed, failEntry(id, fails[i]))
				continue
			}
			a, err := q.send(p)
			if e, ok := err.(*Error); ok {
				out.Failed = append(out.Failed, failEntry(id, e))
				continue
			}
			if err != nil {
				return err
			}
			out.Successful = append(out.Successful, sentEntry{id, p.output(a)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type receiveInput struct {
	QueueURL              string   `json:"QueueUrl"`
	AttributeNames        []string `json:"AttributeNames"`
	SystemAttributeNames  []string `json:"MessageSystemAttributeNames"`
	MessageAttributeNames []string `json:"MessageAttributeNames"`
	Max                   *int64   `json:"MaxNumberOfMessages"`
	Visibility            *int64   `json:"VisibilityTimeout"`
	Wait                  *int64   `json:"WaitTimeSeconds"`
	AttemptID             *string  `json:"ReceiveRequestAttemptId"`
}

// systemAttributes are what can be asked for with a message.
var systemAttributes = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
	"MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn",
}

func (in *receiveInput) check() (receipt, error) {
	r := receipt{max: 1, needAttrs: len(in.MessageAttributeNames) > 0}
	if in.Max != nil {
		if *in.Max < 1 || *in.Max > maxBatch {
			return r, errValue(*in.Max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
		}
		r.max = int(*in.Max)
	}
	if in.Visibility != nil {
		if *in.Visibility < 0 || *in.Visibility > maxVisibility {
			return r, errValue(*in.Visibility, attrVisibility, "Must be >= 0 and <= 43200, if provided.")
		}
		v := *in.Visibility * 1000
		r.visibility = &v
	}
	if in.Wait != nil {
		if *in.Wait < 0 || *in.Wait > maxWait {
			return r, errValue(*in.Wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		v := *in.Wait * 1000
		r.wait = &v
	}
	for _, names := range [][]string{in.AttributeNames, in.SystemAttributeNames} {
		for _, n := range names {
			if !slices.Contains(systemAttributes, n) {
				return r, errAttributeName("Unknown Attribute %s.", n)
			}
		}
	}
	if in.AttemptID != nil && !validID(*in.AttemptID) {
		return r, errValue(*in.AttemptID, "ReceiveRequestAttemptId", "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return r, nil
}

func (s *Service) doReceive(ctx context.Context, _ *request, in *receiveInput) (*receiveOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	r, err := in.check()
	if err != nil {
		return nil, err
	}
	if in.AttemptID != nil && !strings.HasSuffix(name, fifoSuffix) {
		return nil, errValue(*in.AttemptID, "ReceiveRequestAttemptId", "The request include parameter that is not valid for this queue type.")
	}
	got, err := s.receive(ctx, name, r)
	if err != nil {
		return nil, err
	}
	return in.output(got), nil
}

type handleInput struct {
	QueueURL      string  `json:"QueueUrl"`
	ReceiptHandle *string `json:"ReceiptHandle"`
	Visibility    *int64  `json:"VisibilityTimeout"` // of ChangeMessageVisibility
}

type handleEntry struct {
	ID            string  `json:"Id"`
	ReceiptHandle *string `json:"ReceiptHandle"`
	Visibility    *int64  `json:"VisibilityTimeout"`
}

type handleBatchInput struct {
	QueueURL string        `json:"QueueUrl"`
	Entries  []handleEntry `json:"Entries"`
}

type doneEntry struct {
	ID string `json:"Id"`
}

type handleBatchOutput struct {
	Successful []doneEntry   `json:"Successful"`
	Failed     []failedEntry `json:"Failed,omitempty"`
}

// onHandle is what both batches and both single actions on a receipt handle have in common.
func (s *Service) onHandle(ctx context.Context, in *handleInput, do func(*queue, handleEntry) error) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return nil, s.reduce(ctx, name, func(q *queue) error {
		return do(q, handleEntry{ReceiptHandle: in.ReceiptHandle, Visibility: in.Visibility})
	})
}

func (s *Service) onHandles(ctx context.Context, in *handleBatchInput, do func(*queue, handleEntry) error) (*handleBatchOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(idsOf(in.Entries, func(e *handleEntry) string { return e.ID })); err != nil {
		return nil, err
	}
	var out *handleBatchOutput
	err = s.reduce(ctx, name, func(q *queue) error {
		out = &handleBatchOutput{Successful: make([]doneEntry, 0, len(in.Entries))}
		for _, e := range in.Entries {
			err := do(q, e)
			if refused, ok := err.(*Error); ok {
				out.Failed = append(out.Failed, failEntry(e.ID, refused))
				continue
			}
			if err != nil {
				return err
			}
			out.Successful = append(out.Successful, doneEntry{e.ID})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func deleteEntry(q *queue, e handleEntry) error {
	if e.ReceiptHandle == nil {
		return errMissing("ReceiptHandle")
	}
	return q.delete(*e.ReceiptHandle)
}

func changeEntry(q *queue, e handleEntry) error {
	if e.ReceiptHandle == nil {
		return errMissing("ReceiptHandle")
	}
	if e.Visibility == nil {
		return errMissing(attrVisibility)
	}
	return q.changeVisibility(*e.ReceiptHandle, *e.Visibility)
}

func (s *Service) doDelete(ctx context.Context, _ *request, in *handleInput) (*none, error) {
	return s.onHandle(ctx, in, deleteEntry)
}

func (s *Service) doDeleteBatch(ctx context.Context, _ *request, in *handleBatchInput) (*handleBatchOutput, error) {
	return s.onHandles(ctx, in, deleteEntry)
}

func (s *Service) doChangeVisibility(ctx context.Context, _ *request, in *handleInput) (*none, error) {
	return s.onHandle(ctx, in, changeEntry)
}

func (s *Service) doChangeVisibilityBatch(ctx context.Context, _ *request, in *handleBatchInput) (*handleBatchOutput, error) {
	return s.onHandles(ctx, in, changeEntry)
}

type startMoveInput struct {
	Source      string `json:"SourceArn"`
	Destination string `json:"DestinationArn"`
	Rate        *int64 `json:"MaxNumberOfMessagesPerSecond"`
}

type startMoveOutput struct {
	TaskHandle string `json:"TaskHandle"`
}

func (s *Service) doStartMove(ctx context.Context, _ *request, in *startMoveInput) (*startMoveOutput, error) {
	h, err := s.startMove(ctx, in.Source, in.Destination, in.Rate)
	return &startMoveOutput{h}, err
}

type cancelMoveInput struct {
	TaskHandle string `json:"TaskHandle"`
}

type cancelMoveOutput struct {
	Moved int64 `json:"ApproximateNumberOfMessagesMoved"`
}

func (s *Service) doCancelMove(ctx context.Context, _ *request, in *cancelMoveInput) (*cancelMoveOutput, error) {
	n, err := s.cancelMove(ctx, in.TaskHandle)
	return &cancelMoveOutput{n}, err
}

type listMovesInput struct {
	Source     string `json:"SourceArn"`
	MaxResults *int64 `json:"MaxResults"`
}

type listMovesOutput struct {
	Results []moveOutput `json:"Results"`
}

type moveOutput struct {
	TaskHandle  string `json:"TaskHandle,omitempty"` // of running tasks only
	Status      string `json:"Status"`
	Source      string `json:"SourceArn"`
	Destination string `json:"DestinationArn,omitempty"`
	Rate        int    `json:"MaxNumberOfMessagesPerSecond,omitempty"`
	Moved       int64  `json:"ApproximateNumberOfMessagesMoved"`
	ToMove      int64  `json:"ApproximateNumberOfMessagesToMove"`
	Failure     string `json:"FailureReason,omitempty"`
	Started     int64  `json:"StartedTimestamp"`
}

func (s *Service) doListMoves(_ context.Context, _ *request, in *listMovesInput) (*listMovesOutput, error) {
	limit := 1
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > maxMoveTasks {
			return nil, errValue(*in.MaxResults, "MaxResults", "Must be between 1 and 10, if provided.")
		}
		limit = int(*in.MaxResults)
	}
	if in.Source == "" {
		return nil, errMissing("SourceArn")
	}
	name, ok := s.nameFromARN(in.Source)
	if ok {
		_, err := s.QueueStats(name)
		ok = err == nil
	}
	if !ok {
		return nil, errNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	out := &listMovesOutput{Results: []moveOutput{}}
	err := s.db.View(func(tx *bbolt.Tx) error {
		tasks, err := readTasks(tx, name)
		if err != nil {
			return err
		}
		for _, t := range tasks[:min(limit, len(tasks))] {
			o := moveOutput{
				Status: t.Status, Source: in.Source, Rate: t.Rate, Moved: t.Moved, ToMove: t.ToMove, Failure: t.Failure, Started: t.Started,
			}
			if t.Destination != "" {
				o.Destination = s.ARN(t.Destination)
			}
			if t.Status == moveRunning {
				o.TaskHandle = t.handle()
			}
			out.Results = append(out.Results, o)
		}
		return nil
	})
	return out, err
}

type tagInput struct {
	QueueURL string            `json:"QueueUrl"`
	Tags     map[string]string `json:"Tags"`
	TagKeys  []string          `json:"TagKeys"` // of UntagQueue
}

func (s *Service) doTag(ctx context.Context, _ *request, in *tagInput) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, errMissing("Tags")
	}
	return nil, s.changeTags(ctx, name, in.Tags, nil)
}

func (s *Service) doUntag(ctx context.Context, _ *request, in *tagInput) (*none, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, errMissing("TagKeys")
	}
	return nil, s.changeTags(ctx, name, nil, in.TagKeys)
}

type listTagsOutput struct {
	Tags map[string]string `json:"Tags,omitempty"`
}

func (s *Service) doListTags(_ context.Context, _ *request, in *queueInput) (*listTagsOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	out := &listTagsOutput{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		out.Tags, err = getTags(q.b)
		return err
	})
	return out, err
}

func (s *Service) doPermission(context.Context, *request, *queueInput) (*none, error) {
	return nil, errUnsupported("The one-machine home knows no permissions: who has its credentials may do everything.")
}

// millis is a time as SQS shows it.
func millis(t int64) string { return strconv.FormatInt(t, 10) }
