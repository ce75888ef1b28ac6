package eventsource

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// verdict is what an answer means for its batch.
type verdict struct {
	whole  error        // the whole batch failed, and why; nil otherwise
	failed map[int]bool // positions of the records that failed; empty when all is done
}

// readAnswer reads the answer of a function with ReportBatchItemFailures on, for a batch whose records have these ids.
//
// Complete success: nothing, null, {}, a list that is absent, null or empty. Complete failure: invalid JSON, an identifier
// that is empty, null, no text or under another key, an id that is not in the batch. Keys are compared exactly, as Lambda does
// and encoding/json's structs do not. An answer that is JSON but of another shape is not documented: it fails closed.
func readAnswer(answer []byte, ids []string) verdict {
	var v verdict
	if isSuccess(answer) {
		return v
	}
	var items []json.RawMessage
	if items, v.whole = readItems(answer); v.whole != nil || len(items) == 0 {
		return v
	}
	positions := make(map[string][]int, len(ids))
	for i, id := range ids {
		positions[id] = append(positions[id], i)
	}
	v.failed = make(map[int]bool, len(items))
	for i, item := range items {
		id, err := readIdentifier(item)
		if err != nil {
			return verdict{whole: fmt.Errorf("batchItemFailures[%d]: %w", i, err)}
		}
		at, known := positions[id]
		if !known {
			return verdict{whole: fmt.Errorf("batchItemFailures[%d]: itemIdentifier %q is not in the batch", i, id)}
		}
		for _, p := range at {
			v.failed[p] = true
		}
	}
	return v
}

// isSuccess knows complete success as workers write it, so that the usual answer is not parsed.
func isSuccess(answer []byte) bool { return string(answer) == `{"batchItemFailures":[]}` }

func readItems(answer []byte) ([]json.RawMessage, error) {
	if len(bytes.TrimSpace(answer)) == 0 {
		return nil, nil
	}
	if !json.Valid(answer) {
		return nil, fmt.Errorf("answer is not valid JSON")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(answer, &object); err != nil {
		return nil, fmt.Errorf("answer is not an object")
	}
	list, ok := object["batchItemFailures"]
	if !ok {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("batchItemFailures is not a list")
	}
	return items, nil
}

func readIdentifier(item json.RawMessage) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(item, &object); err != nil || object == nil {
		return "", fmt.Errorf("not an object")
	}
	raw, ok := object["itemIdentifier"]
	if !ok {
		return "", fmt.Errorf("no itemIdentifier")
	}
	var id *string
	if err := json.Unmarshal(raw, &id); err != nil {
		return "", fmt.Errorf("itemIdentifier is not text")
	}
	if id == nil {
		return "", fmt.Errorf("itemIdentifier is null")
	}
	if *id == "" {
		return "", fmt.Errorf("itemIdentifier is empty")
	}
	return *id, nil
}
