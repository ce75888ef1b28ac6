package store

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// checkReserve returns an error if the free space is below the reserve, for
// updates that may not use the reserve. Free pages inside the file count as
// free space, since deleting frees pages.
func (d *DB) checkReserve(tx *bbolt.Tx) *FullError {
	st := d.bolt.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(d.bolt.Info().PageSize)
	if limit := d.opt.MaxBytes; limit > 0 {
		if left := limit - tx.Size() + free; left < d.opt.ReserveBytes {
			return &FullError{Path: d.Path(), Err: fmt.Errorf("%d of %d bytes are left; they are reserved for deletions", max(0, left), limit)}
		}
	}
	if free >= d.opt.ReserveBytes {
		return nil
	}
	if left, known := d.free(); known && left+free < d.opt.ReserveBytes {
		return &FullError{Path: d.Path(), Err: fmt.Errorf("%d bytes are left on the disk; they are reserved for deletions", left+free)}
	}
	return nil
}
