package tables

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
)

// streamRecord is one element of "Records" in Lambda's DynamoDB event.
type streamRecord struct {
	EventID      string         `json:"eventID"`
	EventName    string         `json:"eventName"`
	EventVersion string         `json:"eventVersion"`
	EventSource  string         `json:"eventSource"`
	AWSRegion    string         `json:"awsRegion"`
	DynamoDB     streamChange   `json:"dynamodb"`
	SourceARN    string         `json:"eventSourceARN"`
	UserIdentity *streamService `json:"userIdentity,omitempty"`
}

type streamChange struct {
	Created        int64           `json:"ApproximateCreationDateTime"` // Unix seconds
	Keys           json.RawMessage `json:"Keys"`
	NewImage       json.RawMessage `json:"NewImage,omitempty"`
	OldImage       json.RawMessage `json:"OldImage,omitempty"`
	SequenceNumber string          `json:"SequenceNumber"`
	SizeBytes      int             `json:"SizeBytes"`
	StreamViewType string          `json:"StreamViewType"`
}

type streamService struct {
	PrincipalID string `json:"principalId"`
	Type        string `json:"type"`
}

// record writes a change as Lambda hands it to a function.
func (f *Feed) record(sequence string, ch change) (eventsource.FeedRecord, error) {
	r := streamRecord{
		EventID: ch.id(), EventName: ch.name(), EventVersion: "1.1", EventSource: "aws:dynamodb",
		AWSRegion: f.table.opt.Region, SourceARN: f.arn,
		DynamoDB: streamChange{Created: ch.at.Unix(), SequenceNumber: sequence, StreamViewType: "NEW_AND_OLD_IMAGES"},
	}
	if ch.service {
		r.UserIdentity = &streamService{PrincipalID: "dynamodb.amazonaws.com", Type: "Service"}
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
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return eventsource.FeedRecord{}, err
	}
	return eventsource.FeedRecord{
		Sequence: sequence, Key: ch.key.PK, At: ch.at, JSON: bytes.TrimSuffix(out.Bytes(), []byte("\n")),
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

// id is the same whenever the change is read, and no other change's: a version
// is minted once, comes with one change and goes with one.
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

// imageBytes is about what DynamoDB counts for attributes.
func imageBytes(m map[string]types.AttributeValue) int {
	size := 0
	for name, v := range m {
		size += len(name) + valueBytes(v)
	}
	return size
}

func valueBytes(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 1
	case *types.AttributeValueMemberL:
		size := 3
		for _, e := range v.Value {
			size += valueBytes(e) + 1
		}
		return size
	case *types.AttributeValueMemberM:
		return 3 + len(v.Value) + imageBytes(v.Value)
	}
	return 1
}
