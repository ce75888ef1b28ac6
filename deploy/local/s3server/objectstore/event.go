package objectstore

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The event names of S3.
const (
	createdPut      = "ObjectCreated:Put"
	createdCopy     = "ObjectCreated:Copy"
	createdComplete = "ObjectCreated:CompleteMultipartUpload"
	removedDelete   = "ObjectRemoved:Delete"
)

// TimeFormat is the format of times in S3 events and in XML. It is in UTC.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Requester identifies the request that makes a change. It is part of the S3 event.
type Requester struct {
	RequestID string
	SourceIP  string
}

type eventBody struct {
	Records []eventRecord `json:"Records"`
}

type eventRecord struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                eventS3           `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type eventS3 struct {
	SchemaVersion   string      `json:"s3SchemaVersion"`
	ConfigurationID string      `json:"configurationId"`
	Bucket          eventBucket `json:"bucket"`
	Object          eventObject `json:"object"`
}

type eventBucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

// eventObject has neither size nor ETag if the object was removed.
type eventObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	Sequencer string `json:"sequencer"`
}

// announce hands the S3 event of c to OnEvent.
func (s *Store) announce(tx *bbolt.Tx, c change, sequencer string, at time.Time) error {
	if s.opt.OnEvent == nil {
		return nil
	}
	owner := principal{"sluice"}
	e := eventRecord{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: s.opt.Region,
		EventTime: at.UTC().Format(TimeFormat), EventName: c.event, UserIdentity: owner,
		RequestParameters: map[string]string{"sourceIPAddress": c.by.SourceIP},
		ResponseElements:  map[string]string{"x-amz-request-id": c.by.RequestID, "x-amz-id-2": c.by.RequestID},
		S3: eventS3{
			SchemaVersion: "1.0", ConfigurationID: "sluice",
			Bucket: eventBucket{Name: c.bucket, OwnerIdentity: owner, ARN: "arn:aws:s3:::" + c.bucket},
			Object: eventObject{Key: EscapeKey(c.key), Sequencer: sequencer},
		},
	}
	if c.object != nil {
		e.S3.Object.Size, e.S3.Object.ETag = &c.object.Size, c.object.ETag
	}
	body, err := json.Marshal(eventBody{[]eventRecord{e}})
	if err != nil {
		return err
	}
	return s.opt.OnEvent(tx, c.bucket, body)
}

// EscapeKey encodes a key as S3 does in events and in lists with
// encoding-type=url: a space becomes a plus, a slash stays.
func EscapeKey(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
