package diskspace

import (
	"path/filepath"
	"runtime"
	"testing"
)

func TestFreeOfAnExistingFolderIsPositive(t *testing.T) {
	t.Parallel()
	n, known := Free(t.TempDir())
	if known && n <= 0 {
		t.Errorf("got %d bytes for the test's own disk, want more than 0", n)
	}
	if !known && runtime.GOOS == "linux" {
		t.Error("got an unknown free space, want it known on Linux")
	}
}

func TestFreeOfAMissingFolderIsUnknown(t *testing.T) {
	t.Parallel()
	if n, known := Free(filepath.Join(t.TempDir(), "missing")); known {
		t.Errorf("got %d bytes for a missing folder, want unknown", n)
	}
}
