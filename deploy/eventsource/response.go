package eventsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// batchOutcome is what a response means for its batch.
type batchOutcome struct {
	err    error        // why the whole batch failed; nil otherwise
	failed map[int]bool // positions of the records that failed
}

// readResponse reads the response of a function with ReportBatchItemFailures
// to a batch whose records have these ids.
//
// The batch succeeds if the response is empty, null or {}, or if its
// batchItemFailures is absent, null or empty. The whole batch fails if the
// response is not valid JSON, if an itemIdentifier is empty, null or not a
// string or has another key, or if it names no record of the batch. Keys are
// case-sensitive, as in Lambda and unlike in encoding/json's structs. Other
// JSON is not documented and fails the batch too.
func readResponse(response []byte, ids []string) batchOutcome {
	if isSuccess(response) {
		return batchOutcome{}
	}
	items, err := readItems(response)
	if err != nil || len(items) == 0 {
		return batchOutcome{err: err}
	}
	positions := make(map[string][]int, len(ids))
	for i, id := range ids {
		positions[id] = append(positions[id], i)
	}
	failed := make(map[int]bool, len(items))
	for i, item := range items {
		id, err := readIdentifier(item)
		if err != nil {
			return batchOutcome{err: fmt.Errorf("batchItemFailures[%d]: %w", i, err)}
		}
		at, known := positions[id]
		if !known {
			return batchOutcome{err: fmt.Errorf("batchItemFailures[%d]: itemIdentifier: got %q, want the id of a record in the batch", i, id)}
		}
		for _, p := range at {
			failed[p] = true
		}
	}
	return batchOutcome{failed: failed}
}

// isSuccess recognizes the response that workers write on success, so that it
// need not be parsed.
func isSuccess(response []byte) bool { return string(response) == `{"batchItemFailures":[]}` }

func readItems(response []byte) ([]json.RawMessage, error) {
	if len(bytes.TrimSpace(response)) == 0 {
		return nil, nil
	}
	if !json.Valid(response) {
		return nil, errors.New("response: got invalid JSON, want an object with batchItemFailures")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(response, &object); err != nil {
		return nil, fmt.Errorf("response: got %s, want an object", jsonKind(response))
	}
	list, ok := object["batchItemFailures"]
	if !ok {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("batchItemFailures: got %s, want an array", jsonKind(list))
	}
	return items, nil
}

func readIdentifier(item json.RawMessage) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(item, &object); err != nil || object == nil {
		return "", fmt.Errorf("got %s, want an object", jsonKind(item))
	}
	raw, ok := object["itemIdentifier"]
	if !ok {
		return "", errors.New("itemIdentifier is required")
	}
	var id *string
	if err := json.Unmarshal(raw, &id); err != nil || id == nil {
		return "", fmt.Errorf("itemIdentifier: got %s, want a string", jsonKind(raw))
	}
	if *id == "" {
		return "", errors.New("itemIdentifier: got an empty string, want the id of a record in the batch")
	}
	return *id, nil
}

// jsonKind names the kind of a valid JSON value.
func jsonKind(value []byte) string {
	switch value := bytes.TrimSpace(value); value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
