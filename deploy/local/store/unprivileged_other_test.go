//go:build !linux

package store_test

import (
	"os"
	"testing"
)

func asUnprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() <= 0 {
		t.Skip("file permissions do not apply to root and on Windows")
	}
	f()
}
