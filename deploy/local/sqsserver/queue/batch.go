package queue

import "sluice/deploy/local/sqsserver/sqserr"

// MaxBatch is the largest number of entries of a batch and of messages of a
// receive.
const MaxBatch = 10

// FailedEntry is the error of an entry of a batch.
type FailedEntry struct {
	ID          string `json:"Id"`
	SenderFault bool   `json:"SenderFault"`
	Code        string `json:"Code"`
	Message     string `json:"Message"`
}

func failEntry(id string, e *sqserr.Error) FailedEntry {
	return FailedEntry{ID: id, SenderFault: e.SenderFault(), Code: e.Code, Message: e.Message}
}

// checkBatch returns the error that refuses a batch as a whole for the ids of its
// entries.
func checkBatch[E any](entries []E, id func(*E) string) error {
	if len(entries) == 0 {
		return sqserr.Named("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > MaxBatch {
		return sqserr.Named("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", MaxBatch, len(entries))
	}
	for i := range entries {
		this := id(&entries[i])
		if this == "" || len(this) > 80 || !isWord(this) {
			return sqserr.Named("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for j := range i {
			if id(&entries[j]) == this {
				return sqserr.Named("BatchEntryIdsNotDistinct", "Id %s repeated.", this)
			}
		}
	}
	return nil
}
