package pipeline

import "fmt"

// Status is the state of a record after a run.
type Status int

const (
	NotStarted   Status = iota // no time was left: delivered again
	Failed                     // delivered again
	Done                       // acknowledged
	DeadLettered               // acknowledged: stored as a dead letter
	Blocked                    // not started, because an earlier record failed: delivered again
)

func (s Status) String() string {
	switch s {
	case NotStarted:
		return "not started"
	case Failed:
		return "failed"
	case Done:
		return "done"
	case DeadLettered:
		return "dead-lettered"
	case Blocked:
		return "blocked"
	}
	return fmt.Sprintf("Status(%d)", int(s))
}

// An Outcome is the result of a run for one record.
type Outcome struct {
	Record Record
	Status Status
	// Err is the reason of any status other than Done.
	Err error

	failure failureKind
}

// Acknowledged reports whether the source may delete the record.
func (o Outcome) Acknowledged() bool { return o.Status == Done || o.Status == DeadLettered }

// A Result is the result of a run.
type Result struct {
	// Outcomes has one element for each record, in the order of the batch.
	Outcomes []Outcome
	err      error
}

// Count returns the number of records with status s.
func (r Result) Count(s Status) int {
	n := 0
	for i := range r.Outcomes {
		if r.Outcomes[i].Status == s {
			n++
		}
	}
	return n
}

// Err returns a *BatchFailedError if the response to the batch must be a
// function error (Options.ErrorIfAllFailed), else nil.
func (r Result) Err() error { return r.err }

// BatchFailedError reports that every record of a batch failed.
type BatchFailedError struct {
	Records int
	First   error
}

func (e *BatchFailedError) Error() string {
	return fmt.Sprintf("all %d records failed, the first: %v", e.Records, e.First)
}

func (e *BatchFailedError) Unwrap() error { return e.First }
