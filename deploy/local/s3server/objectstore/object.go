package objectstore

import (
	"time"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
)

// Object is an object without its body. Its JSON is the stored form.
type Object struct {
	Body      string    `json:"body"` // file name
	Size      int64     `json:"size"` // bytes
	ETag      string    `json:"etag"` // without quotes
	MD5       string    `json:"md5,omitempty"`
	Modified  time.Time `json:"modified"`
	Sequencer string    `json:"sequencer"`
	Metadata
	Checksum checksum.Sum `json:"checksum,omitzero"`
	Parts    []PartRun    `json:"parts,omitempty"` // of a multipart upload
}

// Metadata is what an upload stores with the object, to be returned with each
// download.
type Metadata struct {
	Header map[string]string `json:"header,omitempty"` // Content-Type and the like, by canonical name
	User   map[string]string `json:"meta,omitempty"`   // x-amz-meta-* in lower case, without the prefix
}

// contentMD5 returns the MD5 of the content in hex. It is the ETag, except after a
// multipart upload.
func (o *Object) contentMD5() string {
	if o.MD5 != "" {
		return o.MD5
	}
	return o.ETag
}

// PartRun is a run of parts of equal size. Most multipart uploads have two runs: the
// last part and all others.
type PartRun struct {
	Count int64 `json:"count"`
	Size  int64 `json:"size"`
}

// addPart appends a part to an object.
func (o *Object) addPart(size int64) {
	if n := len(o.Parts); n > 0 && o.Parts[n-1].Size == size {
		o.Parts[n-1].Count++
		return
	}
	o.Parts = append(o.Parts, PartRun{1, size})
}

// PartCount returns the number of parts, 0 if the object was uploaded in one piece.
func (o *Object) PartCount() int64 {
	n := int64(0)
	for _, run := range o.Parts {
		n += run.Count
	}
	return n
}

// Range is a part of an object's bytes.
type Range struct{ Start, Length int64 }

// PartRange returns the range of part number n. Parts are counted from 1, whatever
// numbers the upload used. An object uploaded in one piece is its own part 1.
func (o *Object) PartRange(n int64) (*Range, error) {
	if len(o.Parts) == 0 && n == 1 {
		return &Range{0, o.Size}, nil
	}
	r := Range{}
	for _, run := range o.Parts {
		r.Length = run.Size
		if n <= run.Count {
			r.Start += (n - 1) * run.Size
			return &r, nil
		}
		n -= run.Count
		r.Start += run.Count * run.Size
	}
	return nil, s3error.InvalidPartNumber
}
