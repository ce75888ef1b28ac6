//go:build !unix || solaris || netbsd || openbsd || aix

package store

// freeBytes is not known here.
func freeBytes(string) (int64, bool) { return 0, false }
