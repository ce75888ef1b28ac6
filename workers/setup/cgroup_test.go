package setup

import (
	"testing"
	"testing/fstest"
)

func TestMemoryIsThatOfTheControlGroup(t *testing.T) {
	t.Parallel()
	const none = "9223372036854771712\n"
	files := func(nameText ...string) fstest.MapFS {
		fsys := fstest.MapFS{}
		for i := 0; i < len(nameText); i += 2 {
			fsys[nameText[i]] = &fstest.MapFile{Data: []byte(nameText[i+1])}
		}
		return fsys
	}
	for _, c := range []struct {
		name    string
		environ map[string]string
		maxMB   int64
		files   fstest.MapFS
		want    string
	}{
		{"version 2, container", nil, 0, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "268435456\n"), "256"},
		{"version 2, service", nil, 0, files("proc/self/cgroup", "0::/a/b.service\n", "sys/fs/cgroup/a/b.service/memory.max", "536870912\n"), "512"},
		{"version 2, limit of a parent", nil, 0, files("proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "max\n", "sys/fs/cgroup/a/memory.max", "268435456\n"), "256"},
		{"version 2, lower limit of a parent", nil, 0, files("proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "536870912\n", "sys/fs/cgroup/a/memory.max", "268435456\n"), "256"},
		{"version 2, path not visible", nil, 0, files("proc/self/cgroup", "0::/../x\n", "sys/fs/cgroup/memory.max", "268435456\n"), "256"},
		{"version 2, no limit", nil, 0, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "max\n"), ""},
		{"version 1", nil, 0, files("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n", "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "268435456\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", none), "256"},
		{"version 1, path not visible", nil, 0, files("proc/self/cgroup", "4:hugetlb,memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"), "256"},
		{"version 1, no limit", nil, 0, files("proc/self/cgroup", "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", none), ""},
		{"neither", nil, 0, files(), ""},
		{"unreadable", nil, 0, files("proc/self/cgroup", "0::/\nx\n", "sys/fs/cgroup/memory.max", "much"), ""},
		{"the variable comes first", map[string]string{memorySize: "640"}, 0, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "268435456\n"), "640"},
		{"below the lowest setting", nil, 0, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "67108864\n"), "128"},
		{"below the maximum", nil, 1024, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "268435456\n"), "256"},
		{"above the maximum", nil, 1024, files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "17179869184\n"), ""},
	} {
		environ := map[string]string{"OTHER": "x"}
		for k, v := range c.environ {
			environ[k] = v
		}
		before := len(environ)
		got := withMemory(environ, c.maxMB, c.files)
		if got[memorySize] != c.want || got["OTHER"] != "x" || len(environ) != before {
			t.Errorf("%s: got %v, want %q MB", c.name, got, c.want)
		}
	}
}
