package lambdaevent

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice/pipeline"
)

type response struct {
	BatchItemFailures []itemFailure `json:"batchItemFailures"`
}

type itemFailure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// Response returns the function's response to b. r must be the result of a run of
// b.Records.
//
// For SQS, the response lists every message that is not acknowledged, once. For a
// stream, it lists the lowest record that is not: Lambda delivers the records
// from that one on again. S3, SNS and EventBridge have no partial response. A
// failure is then a *FailedError, and the whole event is delivered again. If
// r.Err is set, it is the error for every kind.
func (b Batch) Response(r pipeline.Result) ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	if len(r.Outcomes) != len(b.Records) {
		return nil, fmt.Errorf("response to a batch of %d records: got %d outcomes", len(b.Records), len(r.Outcomes))
	}
	// An empty list is encoded as [], not as null, which Lambda accepts but some
	// readers do not.
	out := response{BatchItemFailures: []itemFailure{}}
	var failed []error
	named := make(map[string]bool)
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		id := b.Records[i].ID
		switch {
		case o.Record.ID != id:
			return nil, fmt.Errorf("response for record %q: outcome %d is of record %q", id, i, o.Record.ID)
		case o.Acknowledged():
			continue
		case !b.Kind.partial():
			failed = append(failed, fmt.Errorf("%s: %w", id, o.Err))
		case !named[id]:
			named[id] = true
			out.BatchItemFailures = append(out.BatchItemFailures, itemFailure{id})
		}
		if b.Order == pipeline.Stream {
			break
		}
	}
	switch {
	case failed != nil:
		return nil, &FailedError{Kind: b.Kind, Records: len(b.Records), Failures: failed}
	case !b.Kind.partial():
		return []byte("null"), nil
	}
	return json.Marshal(out)
}

// FailedError reports the failed records of an event whose source has no partial
// response. It wraps their errors.
type FailedError struct {
	Kind     Kind
	Records  int // of the event
	Failures []error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%d of %d %v records failed: %v", len(e.Failures), e.Records, e.Kind, errors.Join(e.Failures...))
}

func (e *FailedError) Unwrap() []error { return e.Failures }
