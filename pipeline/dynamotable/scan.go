package dynamotable

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/pipeline"
)

// Scan returns all items of a table, in no order, by consistent Scan requests. It
// is not part of the Table contract: it serves commands, whose roles need
// dynamodb:Scan.
func Scan(ctx context.Context, client dynamodb.ScanAPIClient, table string) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(pipeline.Item{}, fmt.Errorf("scan table %q: %w", table, err))
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
