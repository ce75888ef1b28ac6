// Package streamchange reads the changes of a DynamoDB stream and the items in
// them, without loss: numbers keep their digits, sets and binaries their types.
//
// It knows nothing of AWS's SDK, whose types of attributes cost each program that
// links them about a millisecond of its start. Package attributes leads there.
package streamchange

import (
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/internal/jsonscan"
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
	Keys, Old, New Image
	// Expired is true for a removal by the service, because the item's time to
	// live had passed.
	Expired bool
	View    string // StreamViewType: KEYS_ONLY, NEW_AND_OLD_IMAGES, ...
}

const formChange = "change"

// Decode reads a record of a DynamoDB stream, without loss: numbers keep
// their digits, sets and binaries their types. The error is Permanent and wraps
// a *lambdaevent.EventError that names the attribute by its path.
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

// NeedImages returns an error that is ErrNoImages if the change lacks the old
// image or the new one, where there must be one. It is not Permanent: nothing is
// wrong with the record, and each one of the stream will lack the same.
func (c Change) NeedImages() error {
	if c.Name != Insert && c.Old == nil || c.Name != Remove && c.New == nil {
		return fmt.Errorf("%s %s with view type %q: %w", c.Name, c.EventID, c.View, ErrNoImages)
	}
	return nil
}
