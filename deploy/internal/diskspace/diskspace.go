// Package diskspace reports how much room is left on a disk.
package diskspace

// Free returns the number of bytes that this user may still write to the disk
// that holds dir. known is false if dir cannot be examined or the operating
// system does not report it.
func Free(dir string) (bytes int64, known bool) { return free(dir) }
