package lambdaevent

import "sluice/pipeline/lambdaevent/internal/jsonscan"

// A scanner walks an event, and remembers what source a record named.
type scanner struct {
	jsonscan.Scanner
	// source is the eventSource of the record that was read last.
	source string
}

func newScanner(data []byte) *scanner {
	return &scanner{Scanner: *jsonscan.New(data)}
}

// failed returns the first thing that is wrong, and nil if there is none.
func (s *scanner) failed(form string) error {
	if e := s.Failed(); e != nil {
		return eventError(form, "", e)
	}
	return nil
}

// eventError is e as a *EventError with its field below prefix.
func eventError(form, prefix string, e *jsonscan.Error) *EventError {
	return (&EventError{Field: e.Field, Reason: e.Reason}).within(form, prefix)
}
