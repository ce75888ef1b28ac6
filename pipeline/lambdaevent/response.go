package lambdaevent

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice/pipeline"
)

type answer struct {
	BatchItemFailures []itemFailure `json:"batchItemFailures"`
}

type itemFailure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// Response tells the source what became of the batch. r must be of a run over
// b.Records.
//
// SQS is told every message that is not acknowledged, each once. A stream is
// told the lowest record that is not: it is the checkpoint, and all from it on
// comes again. S3, SNS and EventBridge know no partial answer, so there one
// failure is a *FailedError, and the whole event comes again. r.Err, if it is
// set, is the error for each kind.
func (b Batch) Response(r pipeline.Result) ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	if len(r.Outcomes) != len(b.Records) {
		return nil, fmt.Errorf("answer a batch of %d records: the run has %d outcomes", len(b.Records), len(r.Outcomes))
	}
	// Without an item the list must be there: null is a success as well, but
	// readers and recorded answers trip over it.
	a := answer{BatchItemFailures: []itemFailure{}}
	var failed []error
	named := make(map[string]bool)
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		id := b.Records[i].ID
		switch {
		case o.Record.ID != id:
			return nil, fmt.Errorf("answer for record %q: the run's outcome %d is of %q", id, i, o.Record.ID)
		case o.Acknowledged():
			continue
		case !b.Kind.partial():
			failed = append(failed, fmt.Errorf("%s: %w", id, o.Err))
		case !named[id]:
			named[id] = true
			a.BatchItemFailures = append(a.BatchItemFailures, itemFailure{id})
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
	return json.Marshal(a)
}

// FailedError says which records of an event failed whose source knows no
// partial answer. It unwraps to their errors.
type FailedError struct {
	Kind     Kind
	Records  int // in the event
	Failures []error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%d of %d %v records failed: %v", len(e.Failures), e.Records, e.Kind, errors.Join(e.Failures...))
}

func (e *FailedError) Unwrap() []error { return e.Failures }
