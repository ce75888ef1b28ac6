package dynamotable

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// Query implements [pipeline.Table] with consistent Query requests, one for each
// page that the caller iterates over.
func (t *Table) Query(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		// An empty prefix means all. Any other must be a valid beginning of a key.
		if err := precheck(ctx, pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")})); err != nil {
			yield(pipeline.Item{}, err)
			return
		}
		pages := dynamodb.NewQueryPaginator(t.client, t.queryInput(pk, skPrefix))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(pipeline.Item{}, fmt.Errorf("query %q/%q of table %q: %w", pk, skPrefix, t.name, err))
				return
			}
			for _, attrs := range page.Items {
				it, err := Item(attrs)
				if !yield(it, err) || err != nil {
					return
				}
			}
		}
	}
}

func (t *Table) queryInput(pk, skPrefix string) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName:                 &t.name,
		KeyConditionExpression:    aws.String(pipeline.AttrPK + " = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}},
		ConsistentRead:            aws.Bool(true),
	}
	if skPrefix != "" {
		in.KeyConditionExpression = aws.String(pipeline.AttrPK + " = :pk AND begins_with(" + pipeline.AttrSK + ", :prefix)")
		in.ExpressionAttributeValues[":prefix"] = &types.AttributeValueMemberS{Value: skPrefix}
	}
	if t.opt.PageItems > 0 {
		in.Limit = &t.opt.PageItems
	}
	return in
}
