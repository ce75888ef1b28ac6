//go:build !linux

package store_test

import (
	"os"
	"testing"
)

func withoutPrivileges(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() <= 0 {
		t.Skip("the superuser and Windows know no folder without rights")
	}
	f()
}
