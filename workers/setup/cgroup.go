package setup

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	memorySize  = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	minMemoryMB = 128 // Lambda's, and the lowest that the settings accept
)

// WithMemory returns environ with the memory of this process in MB as
// AWS_LAMBDA_FUNCTION_MEMORY_SIZE, unless it has the variable: the limit of the
// control group that the process is in, at most maxMB. Zero means no maximum.
// Without a limit of its own or of its group, it returns environ as it is, so that
// the defaults of the settings apply.
func WithMemory(environ map[string]string, maxMB int64) map[string]string {
	return withMemory(environ, maxMB, os.DirFS("/"))
}

func withMemory(environ map[string]string, maxMB int64, root fs.FS) map[string]string {
	if environ[memorySize] != "" {
		return environ
	}
	limit, ok := groupMemory(root)
	mb := max(limit>>20, minMemoryMB)
	if !ok || maxMB > 0 && mb >= maxMB {
		return environ
	}
	out := maps.Clone(environ)
	if out == nil {
		out = make(map[string]string)
	}
	out[memorySize] = strconv.FormatInt(mb, 10)
	return out
}

// groupMemory returns the lowest memory limit, in bytes, of the control groups
// (version 2 or 1) that the process is in. A group's parents limit it too. In a
// container the group's own path may not be visible, but its folder is the root.
func groupMemory(root fs.FS) (limit int64, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		// ID:CONTROLLERS:PATH, where version 2 has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		var folder, file string
		switch {
		case fields[0] == "0" && fields[1] == "":
			folder, file = "sys/fs/cgroup", "memory.max"
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if n, found := readLimit(root, path.Join(folder, group, file)); found && (!ok || n < limit) {
				limit, ok = n, true
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, ok
}

// readLimit reads a limit. Version 2 has "max" for none, version 1 a number of
// bytes that no machine has.
func readLimit(root fs.FS, name string) (limit int64, ok bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0 && n < 1<<50
}
