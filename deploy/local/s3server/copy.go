package s3server

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// maxCopyBytes is what S3 copies in one request.
const maxCopyBytes = 5 << 30

// source is what an x-amz-copy-source header names.
type source struct{ bucket, key string }

// parseSource reads x-amz-copy-source: bucket and key, escaped, with or without a slash before. A plus is a space, as S3 has it.
func parseSource(h http.Header) (source, error) {
	raw, version, hasVersion := strings.Cut(h.Get("X-Amz-Copy-Source"), "?")
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return source{}, errInvalidArgument.because("x-amz-copy-source is not well escaped.")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	switch {
	case bucket == "" || key == "":
		return source{}, errInvalidArgument.because("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	case hasVersion && version != "versionId=null":
		return source{}, errNoSuchVersion
	}
	return source{bucket, key}, nil
}

// CopyObject is called by the layer. A body never changes, so a copy is a second name for it.
func (c *call) CopyObject(_, _, bucket, key string, _ map[string]string) (gofakes3.CopyObjectResult, error) {
	rec, err := c.copy(bucket, key)
	if err != nil {
		return gofakes3.CopyObjectResult{}, c.fail(err)
	}
	return gofakes3.CopyObjectResult{ETag: quote(rec.ETag), LastModified: gofakes3.NewContentTime(rec.Modified)}, nil
}

func (c *call) copy(bucket, key string) (*record, error) {
	cond, err := newWriteConditions(c.r.Header)
	if err != nil {
		return nil, err
	}
	directive := c.r.Header.Get("X-Amz-Metadata-Directive")
	switch {
	case directive != "" && directive != "COPY" && directive != "REPLACE":
		return nil, errInvalidArgument.because("Unknown metadata directive.")
	case directive != "REPLACE" && c.source == source{bucket, key}:
		return nil, errInvalidRequest.because("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	rec, err := c.linkSource()
	if err != nil {
		return nil, err
	}
	if directive == "REPLACE" {
		if err := readMetadata(c.r.Header, rec); err != nil {
			c.s.bodies.remove(rec.Body)
			return nil, err
		}
	}
	return rec, c.commit(change{bucket: bucket, key: key, rec: rec, cond: cond, event: createdCopy})
}

// linkSource makes a record with a durable body of its own that equals the source's.
func (c *call) linkSource() (*record, error) {
	for {
		src, err := c.s.read(c.source.bucket, c.source.key)
		if err != nil {
			return nil, err
		}
		if err := readConditions(c.r.Header, "X-Amz-Copy-Source-", src); err != nil {
			return nil, err
		}
		if src.Size > maxCopyBytes {
			return nil, errInvalidRequest.because("The specified copy source is larger than the maximum allowable size for a copy source: %d", maxCopyBytes)
		}
		rec := &record{Size: src.Size, ETag: src.md5(), Header: src.Header, Meta: src.Meta}
		if src.Checksum.Type == fullObject {
			rec.Checksum = src.Checksum
		}
		c.s.opt.step("source read")
		rec.Body, err = c.duplicate(src)
		if !errors.Is(err, fs.ErrNotExist) {
			return rec, err
		}
		// Replaced between the look and the link? Then there is another body to link.
		if again, err2 := c.s.read(c.source.bucket, c.source.key); err2 != nil || again.Body == src.Body {
			return nil, errors.Join(fmt.Errorf("the body of %q in bucket %q is missing: %w", c.source.key, c.source.bucket, err), err2)
		}
	}
}

// duplicate links the body, or copies it where the file system has no links.
func (c *call) duplicate(src *record) (string, error) {
	f, err := c.s.bodies.open(src.Body, src.Size)
	if err != nil {
		return "", err
	}
	defer f.Close()
	name, err := c.s.bodies.link(src.Body)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	name, _, err = c.receive(onlyReader{f}, src.Size)
	return name, err
}

// copyResult answers a copied part.
type copyResult struct {
	XMLName      xml.Name `xml:"CopyPartResult"`
	LastModified string
	ETag         string
}

// servePartCopy makes a part of a range of another object, which the layer cannot.
func (c *call) servePartCopy() error {
	var err error
	if c.source, err = parseSource(c.r.Header); err != nil {
		return err
	}
	rec, f, err := c.s.open(c.source.bucket, c.source.key)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := readConditions(c.r.Header, "X-Amz-Copy-Source-", rec); err != nil {
		return err
	}
	w := &window{0, rec.Size}
	if header := c.r.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		first, last, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
		// Unlike a read, it must lie wholly inside.
		if w, err = parseRange(header, rec.Size); err != nil || w == nil || !ok || first == "" || last == "" ||
			last != fmt.Sprint(w.start+w.length-1) {
			return errInvalidArgument.because("The x-amz-copy-source-range value must be of the form bytes=first-last, inside the source of %d bytes.", rec.Size)
		}
	}
	if _, err := f.Seek(w.start, io.SeekStart); err != nil {
		return err
	}
	number, err := partNumber(c.query.Get("partNumber"))
	if err != nil {
		return err
	}
	p, err := c.storePart(c.bucket, c.key, c.query.Get("uploadId"), number, onlyReader{io.LimitReader(f, w.length)}, w.length)
	if err != nil {
		return err
	}
	return c.answer.writeXML(copyResult{LastModified: p.Modified.UTC().Format(xmlTime), ETag: quote(p.MD5)})
}
