//go:build unix && !solaris && !netbsd && !openbsd && !aix

package diskspace

import "syscall"

func free(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
