package streamfeed

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/deploy/eventsource"
	"sluice/deploy/internal/streamrecord"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/attributes"
)

// record returns a record in the JSON that Lambda passes to a function. An
// image that cannot be converted fails only its own record; see image.
func (f *Feed) record(r types.Record) (eventsource.FeedRecord, error) {
	change := r.Dynamodb
	if change == nil || aws.ToString(change.SequenceNumber) == "" {
		return eventsource.FeedRecord{}, fmt.Errorf("record %q: dynamodb.SequenceNumber is required", aws.ToString(r.EventID))
	}
	keys := image(change.Keys)
	at := aws.ToTime(change.ApproximateCreationDateTime)
	out := streamrecord.Record{
		EventID:        aws.ToString(r.EventID),
		EventName:      string(r.EventName),
		EventVersion:   aws.ToString(r.EventVersion),
		EventSource:    cmp.Or(aws.ToString(r.EventSource), "aws:dynamodb"),
		AWSRegion:      cmp.Or(aws.ToString(r.AwsRegion), f.region),
		EventSourceARN: f.arn,
		DynamoDB: streamrecord.Change{
			Created:        streamrecord.Seconds(at),
			Keys:           keys,
			NewImage:       image(change.NewImage),
			OldImage:       image(change.OldImage),
			SequenceNumber: *change.SequenceNumber,
			SizeBytes:      aws.ToInt64(change.SizeBytes),
			StreamViewType: string(change.StreamViewType),
		},
	}
	if id := r.UserIdentity; id != nil {
		out.UserIdentity = &streamrecord.Identity{PrincipalID: aws.ToString(id.PrincipalId), Type: aws.ToString(id.Type)}
	}
	text, err := out.Encode()
	if err != nil {
		return eventsource.FeedRecord{}, fmt.Errorf("record %q: %w", out.EventID, err)
	}
	return eventsource.FeedRecord{
		Sequence: out.DynamoDB.SequenceNumber,
		Key:      string(keys),
		At:       at,
		JSON:     text,
	}, nil
}

// image returns an item in DynamoDB's JSON, or nil for nil. If it cannot be
// converted, because an attribute has a type that this program does not know,
// the result has an attribute of a type that does not exist. The function then
// refuses this record with the reason, and the shard is not blocked.
func image(m map[string]types.AttributeValue) json.RawMessage {
	if m == nil {
		return nil
	}
	converted, err := attributevalue.FromDynamoDBStreamsMap(m)
	if err == nil {
		var text []byte
		if text, err = attributes.ImageJSON(converted); err == nil {
			return text
		}
	}
	name := "image"
	if e, ok := errors.AsType[*lambdaevent.EventError](err); ok {
		name = cmp.Or(e.Field, name)
	}
	text, _ := json.Marshal(map[string]map[string]string{name: {"UNKNOWN": err.Error()}}) // strings always encode
	return text
}
