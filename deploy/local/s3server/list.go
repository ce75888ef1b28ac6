package s3server

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

const (
	xmlTime  = "2006-01-02T15:04:05.000Z"
	xmlSpace = "http://s3.amazonaws.com/doc/2006-03-01/"
	maxKeys  = 1000
)

// page is one piece of a list.
type page struct {
	items     []item
	truncated bool
	next      string // where the rest begins: the last key or shared prefix of this page
}

// item is an object, or a prefix that several share.
type item struct {
	name string
	rec  *record // nil for a prefix
}

// list collects up to limit items after the given name. Keys that share what stands between prefix and the next delimiter become
// one item.
func (t tablesIn) list(bucket, prefix, delimiter, after string, limit int) (page, error) {
	var p page
	keys := t.keys(bucket)
	if keys == nil {
		return p, errNoSuchBucket
	}
	cur := keys.Cursor()
	start := []byte(prefix)
	if after >= prefix && after != "" {
		start = append([]byte(after), 0) // the least text behind it
		if group := commonPrefix(after, prefix, delimiter); group != "" && group == after {
			start = successor(group)
		}
	}
	k, v := seek(cur, start)
	for k != nil && strings.HasPrefix(string(k), prefix) {
		if len(p.items) == limit {
			p.truncated = limit > 0
			return p, nil
		}
		if group := commonPrefix(string(k), prefix, delimiter); group != "" {
			p.items, p.next = append(p.items, item{name: group}), group
			k, v = seek(cur, successor(group))
			continue
		}
		rec, err := decode[record](v)
		if err != nil {
			return p, err
		}
		p.items, p.next = append(p.items, item{string(k), rec}), string(k)
		k, v = cur.Next()
	}
	return p, nil
}

// seek finds the first key that is not before k. A nil k is behind every key.
func seek(c *bbolt.Cursor, k []byte) (key, value []byte) {
	if k == nil {
		return nil, nil
	}
	return c.Seek(k)
}

// successor is the least text behind all that begin with s, nil if there is none.
func successor(s string) []byte {
	b := bytes.TrimRight([]byte(s), "\xff")
	if len(b) == 0 {
		return nil
	}
	b[len(b)-1]++
	return b
}

// commonPrefix is what key shares with others in a list, up to and with the delimiter; "" if it stands for itself.
func commonPrefix(key, prefix, delimiter string) string {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return ""
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(prefix)+i+len(delimiter)]
}

// listResult is the answer to both versions of the request.
type listResult struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Xmlns          string   `xml:"xmlns,attr"`
	Name           string
	Prefix         xmlText
	Delimiter      *xmlText `xml:",omitempty"`
	EncodingType   string   `xml:",omitempty"`
	MaxKeys        int
	IsTruncated    bool
	Marker         *xmlText `xml:",omitempty"` // version 1
	NextMarker     *xmlText `xml:",omitempty"`
	KeyCount       *int     `xml:",omitempty"` // version 2
	Continuation   string   `xml:"ContinuationToken,omitempty"`
	Next           string   `xml:"NextContinuationToken,omitempty"`
	StartAfter     *xmlText `xml:",omitempty"`
	Contents       []listedObject
	CommonPrefixes []listedPrefix
}

type listedObject struct {
	Key               xmlText
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *listedOwner
}

type listedOwner struct{ ID, DisplayName string }

type listedPrefix struct{ Prefix xmlText }

// xmlText writes characters that XML 1.0 has no form for as references to them, as S3 does. A reader then stops with an error
// instead of taking another key for this one; encoding-type=url is the way to read such keys.
type xmlText struct {
	Text string `xml:",innerxml"`
}

func newXMLText(s string) xmlText {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			b.WriteString("&#x" + strconv.FormatInt(int64(r), 16) + ";")
			continue
		}
		_ = xml.EscapeText(&b, []byte(string(r))) // a Builder does not fail
	}
	return xmlText{b.String()}
}

// serveList answers a list of objects. The layer's own has no encoding-type, without which many keys cannot be told.
func (c *call) serveList() error {
	q := c.query
	limit, err := listLimit(q)
	if err != nil {
		return err
	}
	encode := newXMLText
	switch q.Get("encoding-type") {
	case "":
	case "url":
		encode = func(s string) xmlText { return newXMLText(escapeKey(s)) }
	default:
		return errInvalidArgument.because("Invalid Encoding Method specified in Request")
	}
	v2 := q.Get("list-type") == "2"
	after, err := listStart(q, v2)
	if err != nil {
		return err
	}
	var p page
	if err := c.s.db.View(func(tx *bbolt.Tx) (err error) {
		p, err = tables(tx).list(c.bucket, q.Get("prefix"), q.Get("delimiter"), after, limit)
		return err
	}); err != nil {
		return err
	}
	out := listResult{
		Xmlns: xmlSpace, Name: c.bucket, Prefix: encode(q.Get("prefix")), EncodingType: q.Get("encoding-type"),
		MaxKeys: limit, IsTruncated: p.truncated,
	}
	optional := func(s string) *xmlText {
		if s == "" {
			return nil
		}
		t := encode(s)
		return &t
	}
	out.Delimiter = optional(q.Get("delimiter"))
	for _, it := range p.items {
		if it.rec == nil {
			out.CommonPrefixes = append(out.CommonPrefixes, listedPrefix{encode(it.name)})
			continue
		}
		o := listedObject{
			Key: encode(it.name), LastModified: it.rec.Modified.UTC().Format(xmlTime), ETag: quote(it.rec.ETag),
			ChecksumAlgorithm: strings.ToUpper(it.rec.Checksum.Algorithm), ChecksumType: it.rec.Checksum.Type,
			Size: it.rec.Size, StorageClass: "STANDARD",
		}
		if !v2 || q.Get("fetch-owner") == "true" {
			o.Owner = &listedOwner{"sluice", "sluice"}
		}
		out.Contents = append(out.Contents, o)
	}
	if v2 {
		n := len(p.items)
		out.KeyCount, out.Continuation, out.StartAfter = &n, q.Get("continuation-token"), optional(q.Get("start-after"))
		if p.truncated {
			out.Next = base64.RawURLEncoding.EncodeToString([]byte(p.next))
		}
	} else {
		m := encode(q.Get("marker"))
		out.Marker = &m
		if p.truncated {
			out.NextMarker = optional(p.next)
		}
	}
	return c.answer.writeXML(out)
}

func listLimit(q url.Values) (int, error) {
	if !q.Has("max-keys") {
		return maxKeys, nil
	}
	n, err := strconv.ParseInt(q.Get("max-keys"), 10, 32)
	if err != nil || n < 0 {
		return 0, errInvalidArgument.because("Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return int(min(n, maxKeys)), nil
}

// listStart is the name that the list begins behind.
func listStart(q url.Values, v2 bool) (string, error) {
	if !v2 {
		return q.Get("marker"), nil
	}
	if !q.Has("continuation-token") {
		return q.Get("start-after"), nil
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("continuation-token"))
	if err != nil || len(after) == 0 {
		return "", errInvalidArgument.because("The continuation token provided is incorrect")
	}
	return string(after), nil
}
