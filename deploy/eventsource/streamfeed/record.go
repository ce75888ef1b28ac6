package streamfeed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/deploy/eventsource"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/attributes"
)

// lambdaRecord is one element of "Records" in Lambda's DynamoDB event.
type lambdaRecord struct {
	EventID      string          `json:"eventID"`
	EventName    string          `json:"eventName"`
	EventVersion string          `json:"eventVersion"`
	EventSource  string          `json:"eventSource"`
	AWSRegion    string          `json:"awsRegion"`
	DynamoDB     lambdaChange    `json:"dynamodb"`
	UserIdentity *lambdaIdentity `json:"userIdentity,omitempty"`
	SourceARN    string          `json:"eventSourceARN"`
}

type lambdaChange struct {
	Created        json.Number     `json:"ApproximateCreationDateTime,omitempty"` // Unix seconds
	Keys           json.RawMessage `json:"Keys,omitempty"`
	NewImage       json.RawMessage `json:"NewImage,omitempty"`
	OldImage       json.RawMessage `json:"OldImage,omitempty"`
	SequenceNumber string          `json:"SequenceNumber"`
	SizeBytes      int64           `json:"SizeBytes"`
	StreamViewType string          `json:"StreamViewType"`
}

type lambdaIdentity struct {
	PrincipalID string `json:"principalId"`
	Type        string `json:"type"`
}

// record writes a stream's record as Lambda hands it to a function. An image
// that cannot be written fails only its own record: see image.
func (f *Feed) record(r types.Record) (eventsource.FeedRecord, error) {
	change := r.Dynamodb
	if change == nil || aws.ToString(change.SequenceNumber) == "" {
		return eventsource.FeedRecord{}, fmt.Errorf("record %q has no sequence number", aws.ToString(r.EventID))
	}
	keys := image(change.Keys)
	out := lambdaRecord{
		EventID:      aws.ToString(r.EventID),
		EventName:    string(r.EventName),
		EventVersion: aws.ToString(r.EventVersion),
		EventSource:  cmp.Or(aws.ToString(r.EventSource), "aws:dynamodb"),
		AWSRegion:    cmp.Or(aws.ToString(r.AwsRegion), f.region),
		SourceARN:    f.arn,
		DynamoDB: lambdaChange{
			Keys:           keys,
			NewImage:       image(change.NewImage),
			OldImage:       image(change.OldImage),
			SequenceNumber: *change.SequenceNumber,
			SizeBytes:      aws.ToInt64(change.SizeBytes),
			StreamViewType: string(change.StreamViewType),
		},
	}
	if who := r.UserIdentity; who != nil {
		out.UserIdentity = &lambdaIdentity{PrincipalID: aws.ToString(who.PrincipalId), Type: aws.ToString(who.Type)}
	}
	at := aws.ToTime(change.ApproximateCreationDateTime)
	out.DynamoDB.Created = epoch(at)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return eventsource.FeedRecord{}, fmt.Errorf("record %q: %w", out.EventID, err)
	}
	return eventsource.FeedRecord{
		Sequence: out.DynamoDB.SequenceNumber,
		Key:      string(keys),
		At:       at,
		JSON:     bytes.TrimSuffix(b.Bytes(), []byte("\n")),
	}, nil
}

// image writes an item in DynamoDB's JSON; nil has none. What this program does
// not know, such as a type of attribute that is newer than it is, becomes an
// attribute of a type that does not exist: the function then refuses this one
// record, and tells why, instead of the shard standing still.
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
	text, _ := json.Marshal(map[string]map[string]string{name: {"UNKNOWN": err.Error()}}) // text always encodes
	return text
}

// epoch is a time in seconds, with a fraction only where there is one; nothing
// for the zero time.
func epoch(t time.Time) json.Number {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return json.Number(strconv.FormatInt(ms/1000, 10))
	}
	return json.Number(strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64))
}
