package dynamotable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"sluice/pipeline"
)

// opError says what was done to which item. What DynamoDB answered stays
// within: throttling and the like are found by errors.As, and are worth a retry.
func (t *Table) opError(doing string, k pipeline.Key, err error) error {
	return fmt.Errorf("%s item %q of table %q: %w", doing, k, t.name, err)
}

// putError is opError, but where DynamoDB found the item itself to be wrong it
// is a *pipeline.ItemError as well: pipeline.CheckItem let pass what it does
// not, and a retry is no use.
func (t *Table) putError(k pipeline.Key, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != "ValidationException" || aboutSchema(api.ErrorMessage()) {
		return t.opError("put", k, err)
	}
	refused := &pipeline.ItemError{Key: k, Field: "Data", Reason: "is refused by DynamoDB"}
	return fmt.Errorf("%w: %w", refused, err)
}

// aboutSchema tells a ValidationException about the table's key from one about
// the item: a table with another key is a mistake of the deployment, and no
// record should be given up for it.
func aboutSchema(message string) bool {
	return strings.Contains(message, "does not match the schema") ||
		strings.Contains(message, "Type mismatch for key") ||
		strings.Contains(message, "Missing the key")
}
