//go:build linux || darwin || freebsd

package s3server

import "syscall"

// freeBytes is the room on dir's disk that this process may use.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
