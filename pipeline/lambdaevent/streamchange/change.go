// Package streamchange decodes the changes of a DynamoDB stream and the items in
// them without loss: numbers keep their digits, sets and binaries their types.
//
// It does not import the AWS SDK, whose attribute types add about a millisecond
// to the start-up time of a program. Package attributes converts to them.
package streamchange

import (
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/internal/jsonscan"
)

// Values of Change.Name.
const (
	Insert = "INSERT"
	Modify = "MODIFY"
	Remove = "REMOVE"
)

// ErrNoImages reports that a stream does not contain the images that its reader
// needs. The view type of a stream cannot be changed: the table needs a new one.
var ErrNoImages = errors.New("the stream has no old and new images: want the view type NEW_AND_OLD_IMAGES")

// Change is one change of one item.
type Change struct {
	EventID  string // unique for each change
	Name     string // INSERT, MODIFY or REMOVE
	Sequence string // orders the changes of one item
	At       time.Time
	// Keys is the item's key. Old and New are the item before and after. They are
	// nil if there was no item, or if the stream does not contain it.
	Keys, Old, New Image
	// Expired is true if DynamoDB removed the item because its time to live had
	// passed.
	Expired bool
	View    string // StreamViewType: KEYS_ONLY, NEW_AND_OLD_IMAGES, ...
}

const formChange = "change"

// Decode decodes a record of a DynamoDB stream. The error is Permanent and wraps a
// *lambdaevent.EventError with the path of the attribute.
func Decode(r pipeline.Record) (Change, error) {
	s := jsonscan.New(r.Body)
	images := imageDecoder{Scanner: s}
	var c Change
	var service, principal string
	for name := range s.Members() {
		switch name {
		case "eventID":
			c.EventID = s.Str(name)
		case "eventName":
			c.Name = s.Str(name)
		case "userIdentity":
			for inner := range s.Members(name) {
				switch inner {
				case "type":
					service = s.Str(name, inner)
				case "principalId":
					principal = s.Str(name, inner)
				default:
					s.Skip()
				}
			}
		case "dynamodb":
			for inner := range s.Members(name) {
				switch inner {
				case "SequenceNumber":
					c.Sequence = s.Str(name, inner)
				case "ApproximateCreationDateTime":
					c.At = s.Epoch(name, inner)
				case "StreamViewType":
					c.View = s.Str(name, inner)
				case "Keys":
					c.Keys = images.below("dynamodb", inner)
				case "OldImage":
					c.Old = images.below("dynamodb", inner)
				case "NewImage":
					c.New = images.below("dynamodb", inner)
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	s.End()
	switch {
	case c.Name != Insert && c.Name != Modify && c.Name != Remove:
		s.Problem("eventName", fmt.Sprintf("is %q, want %s, %s or %s", c.Name, Insert, Modify, Remove))
	case len(c.Keys) == 0:
		s.Problem("Keys", "is missing")
	}
	if e := s.Failed(); e != nil {
		return Change{}, pipeline.Permanent(&lambdaevent.EventError{Form: formChange, Field: e.Field, Reason: e.Reason})
	}
	c.Expired = c.Name == Remove && service == "Service" && principal == "dynamodb.amazonaws.com"
	return c, nil
}

// NeedImages returns an error that wraps ErrNoImages if the change lacks an image
// that its kind has. The error is not Permanent, because every record of the
// stream lacks the same.
func (c Change) NeedImages() error {
	if c.Name != Insert && c.Old == nil || c.Name != Remove && c.New == nil {
		return fmt.Errorf("%s %s with view type %q: %w", c.Name, c.EventID, c.View, ErrNoImages)
	}
	return nil
}
