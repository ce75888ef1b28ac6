// Package dynamotable keeps [pipeline.Table] on DynamoDB.
//
// An item is stored with its data's top level as real attributes, so that
// consoles, exports and streams show them by name, and with four of the table's
// own beside them: PK and SK (strings, the primary key), version (a string) and
// expires (a number of Unix seconds, the table's TTL attribute, absent where the
// item never expires). The table's own names cannot clash with the data's:
// [pipeline.CheckItem] refuses those.
//
// Items that something else wrote into the table can be read. One without a
// version has the version "", which no condition but Always matches.
package dynamotable

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// Client is what a table needs of *dynamodb.Client.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Options change how a table is read. The zero value is right for most.
type Options struct {
	// PageItems bounds how many items Query reads at once, and so its memory.
	// Zero leaves that to DynamoDB, which reads 1 MB.
	PageItems int32
}

// A Table is a [pipeline.Table] on one DynamoDB table. Safe for concurrent use.
//
// The client retries by itself, so a write may reach DynamoDB twice: when the
// first answer was lost. A Put whose condition then fails on its own first
// effect is recognised by the version that only it has minted, and succeeds. Two
// cases cannot be told apart from a lost race and are reported as such: the item
// was replaced by another owner between both attempts, or a conditional Delete
// finds nothing because its first attempt removed it. Either way the
// *pipeline.ConflictError is right about what stands in the table.
//
// A Put under Always whose answer was lost is done again, also over what another
// owner may have put there in between. Where that matters, use a condition.
type Table struct {
	client Client
	name   string
	opt    Options
}

var _ pipeline.Table = (*Table)(nil)

// New returns the table with the given name or ARN. It asks nothing of DynamoDB
// and makes no table; [Schema] says how one must look.
func New(client Client, name string, o Options) *Table {
	return &Table{client: client, name: name, opt: o}
}

// Get implements [pipeline.Table] by a consistent GetItem.
func (t *Table) Get(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
	if err := precheck(ctx, pipeline.CheckKey(k)); err != nil {
		return pipeline.Item{}, err
	}
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &t.name,
		Key:            keyAttributes(k),
		ConsistentRead: aws.Bool(true),
	})
	switch {
	case err != nil:
		return pipeline.Item{}, t.opError("get", k, err)
	case len(out.Item) == 0:
		return pipeline.Item{}, pipeline.ErrNotFound
	}
	return Item(out.Item)
}

// Put implements [pipeline.Table] by one PutItem.
func (t *Table) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if err := precheck(ctx, pipeline.CheckItem(it)); err != nil {
		return pipeline.Item{}, err
	}
	if neverHolds(c) {
		return pipeline.Item{}, t.conflictNow(ctx, it.Key, c)
	}
	it.Version = rand.Text()
	it.Data = slices.Clone(it.Data)
	if !it.Expires.IsZero() {
		it.Expires = time.Unix(it.Expires.Unix(), 0).UTC()
	}
	attrs, err := Attributes(it)
	if err != nil {
		return pipeline.Item{}, err
	}
	e := expressionOf(c)
	_, err = t.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &t.name,
		Item:                                attrs,
		ConditionExpression:                 e.condition,
		ExpressionAttributeNames:            e.names,
		ExpressionAttributeValues:           e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		conflict, err := t.conflict(it.Key, c, failed)
		if err != nil {
			return pipeline.Item{}, err
		}
		if conflict.Current.Version == it.Version {
			return it, nil // our own write, whose answer was lost
		}
		return pipeline.Item{}, conflict
	}
	if err != nil {
		return pipeline.Item{}, t.putError(it.Key, err)
	}
	return it, nil
}

// Delete implements [pipeline.Table] by one DeleteItem.
func (t *Table) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if err := precheck(ctx, pipeline.CheckKey(k)); err != nil {
		return err
	}
	if neverHolds(c) {
		return t.conflictNow(ctx, k, c)
	}
	e := expressionOf(c)
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                           &t.name,
		Key:                                 keyAttributes(k),
		ConditionExpression:                 e.condition,
		ExpressionAttributeNames:            e.names,
		ExpressionAttributeValues:           e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		conflict, err := t.conflict(k, c, failed)
		if err != nil {
			return err
		}
		return conflict
	}
	if err != nil {
		return t.opError("delete", k, err)
	}
	return nil
}

// precheck is what every method looks at before it asks DynamoDB.
func precheck(ctx context.Context, check error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return check
}
