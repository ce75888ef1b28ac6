package lambdaevent

import "sluice/pipeline/lambdaevent/internal/jsonscan"

// A scanner scans an event and keeps the source of the current record.
type scanner struct {
	jsonscan.Scanner
	// source is the eventSource of the last record.
	source string
}

func newScanner(data []byte) *scanner {
	return &scanner{Scanner: *jsonscan.New(data)}
}

// failed returns the first error, or nil.
func (s *scanner) failed(form string) error {
	if e := s.Failed(); e != nil {
		return eventError(form, "", e)
	}
	return nil
}

// eventError converts e, with prefix before its field.
func eventError(form, prefix string, e *jsonscan.Error) *EventError {
	return (&EventError{Field: e.Field, Reason: e.Reason}).within(form, prefix)
}
