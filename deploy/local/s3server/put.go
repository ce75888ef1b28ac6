package s3server

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// PutObject is called by the layer. When it returns nil, the object and its notice are on the disk.
func (c *call) PutObject(bucket, key string, _ map[string]string, input io.Reader, _ int64, _ *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	return gofakes3.PutObjectResult{}, c.fail(c.put(bucket, key, input))
}

func (c *call) put(bucket, key string, input io.Reader) error {
	cond, err := newWriteConditions(c.r.Header)
	if err != nil {
		return err
	}
	rec := &record{Size: c.payload.length}
	if err := readMetadata(c.r.Header, rec); err != nil {
		return err
	}
	// Asked again when it counts; here it saves the upload.
	if err := c.precheck(bucket, key, cond); err != nil {
		return err
	}
	body, sum, err := c.receive(input, c.payload.length)
	if err != nil {
		return err
	}
	rec.Body, rec.ETag, rec.Checksum = body, sum, c.payload.sum
	if err := c.commit(change{bucket: bucket, key: key, rec: rec, cond: cond, event: createdPut}); err != nil {
		return err
	}
	rec.Checksum.setHeader(c.answer.Header())
	return nil
}

func (c *call) precheck(bucket, key string, cond writeConditions) error {
	return c.s.db.View(func(tx *bbolt.Tx) error {
		old, err := tables(tx).object(bucket, key)
		if err != nil && !errors.Is(err, errNoSuchKey) {
			return err
		}
		return cond.check(old)
	})
}

// receive writes a body that is verified at its EOF. It returns the durable body's name and its MD5 in hex. On an error nothing is left.
func (c *call) receive(input io.Reader, size int64) (name, sum string, err error) {
	d, err := c.s.bodies.create(size)
	if err != nil {
		return "", "", err
	}
	// The layer hashes what it gives to PutObject; a second MD5 would be the dearest part of an upload.
	sums, hashed := input.(interface{ Sum([]byte) []byte })
	var also []io.Writer
	if !hashed {
		h := md5.New()
		sums, also = h, []io.Writer{h}
	}
	n, err := d.fill(input, also...)
	if err == nil && n != size {
		err = errIncompleteBody
	}
	if err == nil {
		err = d.seal()
	}
	if err != nil {
		d.discard()
		return "", "", err
	}
	return d.name, hex.EncodeToString(sums.Sum(nil)), nil
}

// change is what one transaction does to one key.
type change struct {
	bucket, key string
	rec         *record // with a sealed body; nil deletes
	cond        writeConditions
	event       string
	also        func(t tablesIn) (bodies []string, err error) // runs first; what it returns is removed after the commit
}

// commit makes ch happen, with its notice, in one transaction. On success the body that was there before is removed, else the new
// one: unless nobody knows whether the transaction reached the disk, then the next start will know.
func (c *call) commit(ch change) error {
	var garbage []string
	c.s.opt.step("before commit")
	update := c.s.db.Update
	if ch.rec == nil {
		update = c.s.db.UpdateEvenIfFull // a full disk must be possible to empty
	}
	err := update(c.ctx(), func(tx *bbolt.Tx) error {
		var err error
		garbage, err = c.apply(tx, ch)
		return err
	})
	c.s.opt.step("committed")
	if err == nil {
		c.s.bodies.remove(garbage...)
		c.s.opt.step("old bodies removed")
		return nil
	}
	if _, unknown := errors.AsType[*store.BrokenError](err); !unknown && ch.rec != nil {
		c.s.bodies.remove(ch.rec.Body)
	}
	return err
}

// apply returns the bodies that nothing names any more. It checks all before it changes anything.
func (c *call) apply(tx *bbolt.Tx, ch change) (garbage []string, err error) {
	t := tables(tx)
	old, err := t.object(ch.bucket, ch.key)
	if err != nil && !errors.Is(err, errNoSuchKey) {
		return nil, store.Unchanged(err)
	}
	if err := ch.cond.check(old); err != nil {
		return nil, store.Unchanged(err)
	}
	if ch.also != nil {
		if garbage, err = ch.also(t); err != nil {
			return nil, err
		}
	}
	if old == nil && ch.rec == nil {
		return garbage, nil
	}
	sequencer, err := t.nextSequencer()
	if err != nil {
		return nil, err
	}
	now := c.s.opt.Now().UTC()
	if ch.rec != nil {
		ch.rec.Sequencer, ch.rec.Modified = sequencer, now
	}
	if err := t.setObject(ch.bucket, ch.key, old, ch.rec); err != nil {
		return nil, err
	}
	if old != nil {
		garbage = append(garbage, old.Body)
	}
	return garbage, c.notify(tx, ch.event, ch.bucket, ch.key, sequencer, now, ch.rec)
}
