package dynamotable

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// expression is a condition as a DynamoDB expression. The zero value is Always.
type expression struct {
	condition *string
	names     map[string]string
	values    map[string]types.AttributeValue
}

func expressionOf(c pipeline.Condition) expression {
	if c.Unconditional() {
		return expression{}
	}
	version, ok := c.Version()
	if !ok {
		return expression{condition: aws.String("attribute_not_exists(" + pipeline.AttrPK + ")")}
	}
	return expression{
		condition: aws.String("#version = :version"), // "version" may become a reserved word
		names:     map[string]string{"#version": pipeline.AttrVersion},
		values:    map[string]types.AttributeValue{":version": &types.AttributeValueMemberS{Value: version}},
	}
}

// neverHolds reports whether c is AtVersion(""). DynamoDB cannot evaluate it,
// because an item of another writer may have an empty version.
func neverHolds(c pipeline.Condition) bool {
	version, ok := c.Version()
	return ok && version == ""
}

// conflictNow returns the conflict of a condition that never holds.
func (t *Table) conflictNow(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	current, err := t.Get(ctx, k)
	exists := err == nil
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return err
	}
	return &pipeline.ConflictError{Key: k, Condition: c, Current: current, Exists: exists}
}

// conflict converts a failed condition. It returns an error if the current item
// cannot be decoded.
func (t *Table) conflict(k pipeline.Key, c pipeline.Condition, failed *types.ConditionalCheckFailedException) (*pipeline.ConflictError, error) {
	conflict := &pipeline.ConflictError{Key: k, Condition: c, Exists: len(failed.Item) > 0}
	if !conflict.Exists {
		return conflict, nil
	}
	var err error
	conflict.Current, err = Item(failed.Item)
	return conflict, err
}
