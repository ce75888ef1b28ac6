// Package dynamotable implements [pipeline.Table] on DynamoDB.
//
// Each member of an item's data is stored as an attribute, so that consoles,
// exports and streams show it by name. The table adds four attributes of its own:
// PK and SK (strings, the primary key), version (a string) and expires (a number
// of Unix seconds, the TTL attribute, absent if the item never expires).
// [pipeline.CheckItem] rejects data with these names.
//
// Items of other writers can be read. An item without a version has the version
// "", which only Always matches.
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

// Client is the part of *dynamodb.Client that a Table uses.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Options configures a Table. The zero value is usable.
type Options struct {
	// PageItems limits the items of one request of Query, and so its memory. Zero
	// means the limit of DynamoDB, which is 1 MB.
	PageItems int32
}

// A Table is a [pipeline.Table] on one DynamoDB table. It is safe for concurrent
// use.
//
// The client retries, so DynamoDB may receive a write twice if the first response
// is lost. A conditional Put whose condition fails because of its own first
// attempt recognizes its version and succeeds. Two cases look like a lost race
// and are reported as a *pipeline.ConflictError with the current item: another
// owner replaced the item between both attempts, or a conditional Delete finds no
// item because its first attempt removed it.
//
// A Put under Always whose response is lost is repeated, even over an item that
// another owner stored in between. Use a condition if that matters.
type Table struct {
	client Client
	name   string
	opt    Options
}

var _ pipeline.Table = (*Table)(nil)

// New returns the table with the given name or ARN. It makes no request and does
// not create the table; [Schema] describes it.
func New(client Client, name string, o Options) *Table {
	return &Table{client: client, name: name, opt: o}
}

// Get implements [pipeline.Table] with a consistent GetItem.
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

// Put implements [pipeline.Table] with one PutItem.
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
			return it, nil // this write, whose response was lost
		}
		return pipeline.Item{}, conflict
	}
	if err != nil {
		return pipeline.Item{}, t.putError(it.Key, err)
	}
	return it, nil
}

// Delete implements [pipeline.Table] with one DeleteItem.
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

// precheck returns the error of ctx, or else check.
func precheck(ctx context.Context, check error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return check
}
