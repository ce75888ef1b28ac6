package attributes_test

import (
	"fmt"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

// A record of a DynamoDB stream, decoded into a struct with tags.
func ExampleUnmarshal() {
	type Order struct {
		Status string   `dynamodbav:"status"`
		Total  float64  `dynamodbav:"total"`
		Serial int64    `dynamodbav:"serial"` // all digits
		Tags   []string `dynamodbav:"tags"`   // a string set
		Items  []struct {
			SKU      string `dynamodbav:"sku"`
			Quantity int    `dynamodbav:"quantity"`
		} `dynamodbav:"items"`
	}
	change, err := streamchange.Decode(pipeline.Record{Body: []byte(`{
		"eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": "INSERT", "eventSource": "aws:dynamodb",
		"dynamodb": {
			"SequenceNumber": "111", "StreamViewType": "NEW_AND_OLD_IMAGES",
			"Keys": {"PK": {"S": "user#ann@example.com"}, "SK": {"S": "order#1"}},
			"NewImage": {
				"PK": {"S": "user#ann@example.com"}, "SK": {"S": "order#1"},
				"status": {"S": "received"}, "total": {"N": "24.5"}, "serial": {"N": "9007199254740993"},
				"tags": {"SS": ["gift", "express"]},
				"items": {"L": [{"M": {"sku": {"S": "blue-mug"}, "quantity": {"N": "2"}}}]}
			}
		}
	}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	var order Order
	if err := attributes.Unmarshal(change.New, &order); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", order)
	// Output: {Status:received Total:24.5 Serial:9007199254740993 Tags:[gift express] Items:[{SKU:blue-mug Quantity:2}]}
}
