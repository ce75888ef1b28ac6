package s3server

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The names of what happened, as S3 writes them.
const (
	createdPut      = "ObjectCreated:Put"
	createdCopy     = "ObjectCreated:Copy"
	createdComplete = "ObjectCreated:CompleteMultipartUpload"
	removedDelete   = "ObjectRemoved:Delete"
)

type noticeBody struct {
	Records []noticeRecord `json:"Records"`
}

type noticeRecord struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                noticeS3          `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type noticeS3 struct {
	SchemaVersion   string       `json:"s3SchemaVersion"`
	ConfigurationID string       `json:"configurationId"`
	Bucket          noticeBucket `json:"bucket"`
	Object          noticeObject `json:"object"`
}

type noticeBucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

// noticeObject has neither size nor ETag when the object is gone.
type noticeObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	Sequencer string `json:"sequencer"`
}

// notify writes the notice of what happened to key. rec is nil when the object is gone.
func (c *call) notify(tx *bbolt.Tx, event, bucket, key, sequencer string, at time.Time, rec *record) error {
	if c.s.opt.Notice == nil {
		return nil
	}
	me := principal{"sluice"}
	n := noticeRecord{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: c.s.opt.Region,
		EventTime: at.UTC().Format("2006-01-02T15:04:05.000Z"), EventName: event, UserIdentity: me,
		RequestParameters: map[string]string{"sourceIPAddress": c.sourceIP()},
		ResponseElements:  map[string]string{"x-amz-request-id": c.id, "x-amz-id-2": c.id},
		S3: noticeS3{
			SchemaVersion: "1.0", ConfigurationID: "sluice",
			Bucket: noticeBucket{Name: bucket, OwnerIdentity: me, ARN: "arn:aws:s3:::" + bucket},
			Object: noticeObject{Key: escapeKey(key), Sequencer: sequencer},
		},
	}
	if rec != nil {
		n.S3.Object.Size, n.S3.Object.ETag = &rec.Size, rec.ETag
	}
	body, err := json.Marshal(noticeBody{[]noticeRecord{n}})
	if err != nil {
		return err
	}
	return c.s.opt.Notice(tx, bucket, body)
}

// escapeKey writes a key as S3 does in notices and in lists with encoding-type=url: a space is a plus, a slash is kept.
func escapeKey(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
