package lambdaevent

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
)

// What became of an item: Change.Name.
const (
	Insert = "INSERT"
	Modify = "MODIFY"
	Remove = "REMOVE"
)

// ErrNoImages says that a stream does not carry the images that its reader
// needs. A stream's view type cannot be edited: the table needs a new stream.
var ErrNoImages = errors.New("the stream carries no old and new images: it needs the view type NEW_AND_OLD_IMAGES")

// Change is one change of one item.
type Change struct {
	EventID  string // unique for each change
	Name     string // INSERT, MODIFY or REMOVE
	Sequence string // orders the changes of one item
	At       time.Time
	// Keys is the item's key. Old and New are the item before and after: nil
	// where there was none, or where the stream does not carry it.
	Keys, Old, New map[string]types.AttributeValue
	// Expired is true for a removal by the service, because the item's time to
	// live had passed.
	Expired bool
	View    string // StreamViewType: KEYS_ONLY, NEW_AND_OLD_IMAGES, ...
}

const formChange = "change"

// DecodeChange reads a record of a DynamoDB stream, without loss: numbers keep
// their digits, sets and binaries their types. The error is Permanent and wraps
// a *EventError that names the attribute by its path.
func DecodeChange(r pipeline.Record) (Change, error) {
	s := newScanner(r.Body)
	images := imageDecoder{scanner: s}
	var c Change
	var service, principal string
	for name := range s.members() {
		switch name {
		case "eventID":
			c.EventID = s.str(name)
		case "eventName":
			c.Name = s.str(name)
		case "userIdentity":
			for inner := range s.members(name) {
				switch inner {
				case "type":
					service = s.str(name, inner)
				case "principalId":
					principal = s.str(name, inner)
				default:
					s.skip()
				}
			}
		case "dynamodb":
			for inner := range s.members(name) {
				switch inner {
				case "SequenceNumber":
					c.Sequence = s.str(name, inner)
				case "ApproximateCreationDateTime":
					c.At = s.epoch(name, inner)
				case "StreamViewType":
					c.View = s.str(name, inner)
				case "Keys":
					c.Keys = images.below("dynamodb", inner)
				case "OldImage":
					c.Old = images.below("dynamodb", inner)
				case "NewImage":
					c.New = images.below("dynamodb", inner)
				default:
					s.skip()
				}
			}
		default:
			s.skip()
		}
	}
	s.end()
	switch {
	case c.Name != Insert && c.Name != Modify && c.Name != Remove:
		s.problem("eventName", fmt.Sprintf("is %q, want %s, %s or %s", c.Name, Insert, Modify, Remove))
	case len(c.Keys) == 0:
		s.problem("Keys", "is missing")
	}
	if err := s.failed(formChange); err != nil {
		return Change{}, pipeline.Permanent(err)
	}
	c.Expired = c.Name == Remove && service == "Service" && principal == "dynamodb.amazonaws.com"
	return c, nil
}

// NeedImages returns an error that is ErrNoImages if the change lacks the old
// image or the new one, where there must be one. It is not Permanent: nothing is
// wrong with the record, and each one of the stream will lack the same.
func (c Change) NeedImages() error {
	if c.Name != Insert && c.Old == nil || c.Name != Remove && c.New == nil {
		return fmt.Errorf("%s %s with view type %q: %w", c.Name, c.EventID, c.View, ErrNoImages)
	}
	return nil
}

// Unmarshal decodes an image into v, which points to a map, an any or a struct
// with dynamodbav or json tags. Numbers in an any are attributevalue.Number,
// with all their digits.
func (c Change) Unmarshal(image map[string]types.AttributeValue, v any) error {
	err := attributevalue.UnmarshalMapWithOptions(image, v, func(o *attributevalue.DecoderOptions) {
		o.UseNumber = true
		o.TagKey = "json"
	})
	if err != nil {
		return fmt.Errorf("unmarshal an image of change %s: %w", c.EventID, err)
	}
	return nil
}
