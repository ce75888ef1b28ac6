package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/deploy/eventsource"
	"sluice/deploy/internal/streamrecord"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
)

// record encodes a change as Lambda passes it to a function.
func (f *Feed) record(sequence string, ch change) (eventsource.FeedRecord, error) {
	r := streamrecord.Record{
		EventID: ch.id(), EventName: ch.name(), EventVersion: "1.1", EventSource: "aws:dynamodb",
		AWSRegion: f.table.opt.Region, EventSourceARN: f.arn,
		DynamoDB: streamrecord.Change{
			Created: streamrecord.Seconds(ch.at.Truncate(time.Second)), SequenceNumber: sequence, StreamViewType: "NEW_AND_OLD_IMAGES",
		},
	}
	if ch.service {
		r.UserIdentity = &streamrecord.Identity{PrincipalID: "dynamodb.amazonaws.com", Type: "Service"}
	}
	keys := map[string]types.AttributeValue{
		pipeline.AttrPK: &types.AttributeValueMemberS{Value: ch.key.PK},
		pipeline.AttrSK: &types.AttributeValueMemberS{Value: ch.key.SK},
	}
	var err error
	d := &r.DynamoDB
	if d.Keys, err = attributes.ImageJSON(keys); err != nil {
		return eventsource.FeedRecord{}, err
	}
	d.SizeBytes = imageBytes(keys)
	for _, image := range []struct {
		it   *pipeline.Item
		json *json.RawMessage
	}{{ch.next, &d.NewImage}, {ch.old, &d.OldImage}} {
		if image.it == nil {
			continue
		}
		attrs, err := dynamotable.Attributes(*image.it)
		if err != nil {
			return eventsource.FeedRecord{}, err
		}
		if *image.json, err = attributes.ImageJSON(attrs); err != nil {
			return eventsource.FeedRecord{}, err
		}
		d.SizeBytes += imageBytes(attrs)
	}
	text, err := r.Encode()
	if err != nil {
		return eventsource.FeedRecord{}, err
	}
	return eventsource.FeedRecord{
		Sequence: sequence, Key: ch.key.PK, At: ch.at, JSON: text,
	}, nil
}

func (ch change) name() string {
	switch {
	case ch.old == nil:
		return "INSERT"
	case ch.next == nil:
		return "REMOVE"
	}
	return "MODIFY"
}

// id returns the change's event id. It is stable and unique: it is derived from
// versions, which are never reused.
func (ch change) id() string {
	h := sha256.New()
	h.Write([]byte(ch.name()))
	for _, it := range []*pipeline.Item{ch.old, ch.next} {
		if it != nil {
			h.Write([]byte("/" + it.Version))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// imageBytes returns about the size that DynamoDB counts for attributes.
func imageBytes(m map[string]types.AttributeValue) int64 {
	size := int64(0)
	for name, v := range m {
		size += int64(len(name)) + valueBytes(v)
	}
	return size
}

func valueBytes(v types.AttributeValue) int64 {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return int64(len(v.Value))
	case *types.AttributeValueMemberN:
		return int64((len(v.Value)+1)/2 + 1)
	case *types.AttributeValueMemberL:
		size := int64(3)
		for _, e := range v.Value {
			size += valueBytes(e) + 1
		}
		return size
	case *types.AttributeValueMemberM:
		return 3 + int64(len(v.Value)) + imageBytes(v.Value)
	}
	return 1
}
