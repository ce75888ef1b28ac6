//go:build !linux && !darwin && !freebsd

package s3server

import "errors"

// freeBytes is not known here: uploads fail when the disk is full, not before.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
