package dynamotable

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// Schema returns the request that creates a table: strings PK and SK as its key,
// on-demand capacity and, if stream is set, a stream of new and old images. It is
// for local engines. On AWS, the template in deploy/aws creates the tables, with
// TTL on the attribute expires.
func Schema(name string, stream bool) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(pipeline.AttrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(pipeline.AttrSK), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(pipeline.AttrPK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(pipeline.AttrSK), KeyType: types.KeyTypeRange},
		},
	}
	if stream {
		in.StreamSpecification = &types.StreamSpecification{
			StreamEnabled:  aws.Bool(true),
			StreamViewType: types.StreamViewTypeNewAndOldImages,
		}
	}
	return in
}
