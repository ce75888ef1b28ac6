package sqsserver

const maxBatch = 10

// checkBatch follows the rules that refuse a batch as a whole.
func checkBatch(ids []string) error {
	if len(ids) == 0 {
		return errBatch("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxBatch {
		return errBatch("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	for i, id := range ids {
		if id == "" || len(id) > 80 || !onlyWord(id) {
			return errBatch("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for _, before := range ids[:i] {
			if before == id {
				return errBatch("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
			}
		}
	}
	return nil
}

func idsOf[E any](entries []E, id func(*E) string) []string {
	out := make([]string, len(entries))
	for i := range entries {
		out[i] = id(&entries[i])
	}
	return out
}

// failedEntry is an entry of a batch that was refused while others were not.
type failedEntry struct {
	ID          string `json:"Id"`
	SenderFault bool   `json:"SenderFault"`
	Code        string `json:"Code"`
	Message     string `json:"Message"`
}

func failEntry(id string, e *Error) failedEntry {
	return failedEntry{ID: id, SenderFault: e.sender(), Code: e.Code, Message: e.Message}
}
