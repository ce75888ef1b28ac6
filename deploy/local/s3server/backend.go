package s3server

import (
	"strings"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

var (
	_ gofakes3.Backend          = (*call)(nil)
	_ gofakes3.MultipartBackend = (*call)(nil)
)

// ListBuckets is called by the layer.
func (c *call) ListBuckets() ([]gofakes3.BucketInfo, error) {
	var list []gofakes3.BucketInfo
	err := c.s.db.View(func(tx *bbolt.Tx) error {
		return tables(tx).eachBucket(func(name string, b *bucketRecord) {
			if strings.HasPrefix(name, c.query.Get("prefix")) {
				list = append(list, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(b.Created)})
			}
		})
	})
	return list, c.fail(err)
}

// ListBucket is never reached: lists are answered by serveList.
func (c *call) ListBucket(string, *gofakes3.Prefix, gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	return nil, c.fail(errNotImplemented)
}

// CreateBucket is called by the layer, with a name it found valid.
func (c *call) CreateBucket(name string) error {
	return c.fail(c.s.createBucket(c.ctx(), name))
}

// BucketExists is called by the layer before most of its work.
func (c *call) BucketExists(name string) (exists bool, err error) {
	err = c.s.db.View(func(tx *bbolt.Tx) error {
		exists = tables(tx).bucket(name) != nil
		return nil
	})
	return exists, c.fail(err)
}

// DeleteBucket removes an empty bucket. Uploads under way in it are given up.
func (c *call) DeleteBucket(name string) error {
	var bodies []string
	err := c.s.db.UpdateEvenIfFull(c.ctx(), func(tx *bbolt.Tx) error {
		bodies = nil
		t := tables(tx)
		keys := t.keys(name)
		if keys == nil {
			return store.Unchanged(errNoSuchBucket)
		}
		if k, _ := keys.Cursor().First(); k != nil {
			return store.Unchanged(errBucketNotEmpty)
		}
		if err := t.root.Bucket(tableKeys).DeleteBucket([]byte(name)); err != nil {
			return err
		}
		if err := t.root.Bucket(tableBuckets).Delete([]byte(name)); err != nil {
			return err
		}
		var err error
		bodies, err = t.dropUploads(func(_ string, u *upload) bool { return u.Bucket == name })
		return err
	})
	if err == nil {
		c.s.bodies.remove(bodies...)
	}
	return c.fail(err)
}

// ForceDeleteBucket is never reached: the header that asks for it is taken away.
func (c *call) ForceDeleteBucket(string) error { return c.fail(errNotImplemented) }
