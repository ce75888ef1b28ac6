package objectstore

import (
	"bytes"
	"strings"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
)

// Listing selects the objects of a list.
type Listing struct {
	Prefix    string
	Delimiter string // "" lists every object
	After     string // the list starts after this name
	Limit     int    // the largest number of entries
}

// Page is one page of a list.
type Page struct {
	Entries   []Entry
	Truncated bool
	Next      string // After of the next page
}

// Entry is an object, or a prefix that several objects share.
type Entry struct {
	Name   string
	Object *Object // nil for a prefix
}

// List returns a page of objects in the order of their keys. Keys with the same
// text between prefix and next delimiter become one entry.
func (s *Store) List(bucket string, l Listing) (p Page, err error) {
	err = s.view(func(x index) error {
		p, err = x.list(bucket, l)
		return err
	})
	return p, err
}

func (x index) list(bucket string, l Listing) (Page, error) {
	var p Page
	keys := x.keys(bucket)
	if keys == nil {
		return p, s3error.NoSuchBucket
	}
	cur := keys.Cursor()
	start := []byte(l.Prefix)
	if l.After >= l.Prefix && l.After != "" {
		start = append([]byte(l.After), 0) // the least key after it
		if group := CommonPrefix(l.After, l.Prefix, l.Delimiter); group != "" && group == l.After {
			start = successor(group)
		}
	}
	k, v := seek(cur, start)
	for k != nil && bytes.HasPrefix(k, []byte(l.Prefix)) {
		if len(p.Entries) == l.Limit {
			p.Truncated = l.Limit > 0
			return p, nil
		}
		name := string(k)
		if group := CommonPrefix(name, l.Prefix, l.Delimiter); group != "" {
			p.Entries, p.Next = append(p.Entries, Entry{Name: group}), group
			k, v = seek(cur, successor(group))
			continue
		}
		o, err := decode[Object](v)
		if err != nil {
			return p, err
		}
		p.Entries, p.Next = append(p.Entries, Entry{name, o}), name
		k, v = cur.Next()
	}
	return p, nil
}

// seek returns the first entry at or after k. A nil k is after every key.
func seek(c *bbolt.Cursor, k []byte) (key, value []byte) {
	if k == nil {
		return nil, nil
	}
	return c.Seek(k)
}

// successor returns the least key after all those with prefix s, nil if there is
// none.
func successor(s string) []byte {
	b := bytes.TrimRight([]byte(s), "\xff")
	if len(b) == 0 {
		return nil
	}
	b[len(b)-1]++
	return b
}

// CommonPrefix returns the text of key up to and including the first delimiter
// after prefix. It returns "" if there is none.
func CommonPrefix(key, prefix, delimiter string) string {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return ""
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(prefix)+i+len(delimiter)]
}
