package store

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// tight gives the error for updates that may not use the reserve, if only that is left. Pages that are free inside the file
// count as room: that is what deleting gains.
func (d *DB) tight(tx *bbolt.Tx) *FullError {
	st := d.bolt.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(d.bolt.Info().PageSize)
	if limit := d.opt.MaxBytes; limit > 0 {
		if left := limit - tx.Size() + free; left < d.opt.ReserveBytes {
			return &FullError{Path: d.Path(), Err: fmt.Errorf("%d of %d bytes are left, which are kept for deleting", max(0, left), limit)}
		}
	}
	if free >= d.opt.ReserveBytes {
		return nil
	}
	if left, known := d.room(); known && left+free < d.opt.ReserveBytes {
		return &FullError{Path: d.Path(), Err: fmt.Errorf("%d bytes are left on the disk, which are kept for deleting", left+free)}
	}
	return nil
}
