package dynamotable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"sluice/pipeline"
)

// opError returns err with the operation and the item. It wraps the error of
// DynamoDB, such as throttling, which is worth a retry.
func (t *Table) opError(doing string, k pipeline.Key, err error) error {
	return fmt.Errorf("%s item %q of table %q: %w", doing, k, t.name, err)
}

// putError is opError, but also a *pipeline.ItemError if DynamoDB rejects the item
// itself. Retrying cannot fix an item that pipeline.CheckItem should reject.
func (t *Table) putError(k pipeline.Key, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != "ValidationException" || aboutSchema(api.ErrorMessage()) {
		return t.opError("put", k, err)
	}
	rejected := &pipeline.ItemError{Key: k, Field: "Data", Reason: "is rejected by DynamoDB"}
	return fmt.Errorf("%w: %w", rejected, err)
}

// aboutSchema reports whether the message of a ValidationException is about the
// key of the table and not about the item. A table with another key is an error
// of the deployment, and its records should be retried.
func aboutSchema(message string) bool {
	return strings.Contains(message, "does not match the schema") ||
		strings.Contains(message, "Type mismatch for key") ||
		strings.Contains(message, "Missing the key")
}
