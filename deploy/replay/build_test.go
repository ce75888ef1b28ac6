package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"sluice/deploy/functions"
)

// bin is the folder of the binaries that the tests build.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sluice-bootstraps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	code := m.Run()
	if err := os.RemoveAll(bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// bootstraps builds each worker's binary, once in a run and when a test first
// needs it.
var bootstraps = func() map[string]func() (string, error) {
	builds := make(map[string]func() (string, error))
	for _, worker := range functions.Workers() {
		builds[worker] = once("sluice/workers/"+worker+"/bootstrap", worker)
	}
	return builds
}()

func once(pkg, name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) { return compile(pkg, name) })
}

// compile builds a command as it is deployed, but for this machine, and with the
// race detector if the tests have it.
func compile(pkg, name string) (string, error) {
	out := filepath.Join(bin, name, "bootstrap")
	args := []string{"build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg}
	environment := append(os.Environ(), "CGO_ENABLED=0")
	if raceDetector {
		args = []string{"build", "-tags", "lambda.norpc", "-race", "-o", out, pkg}
		environment = os.Environ()
	}
	cmd := exec.Command("go", args...)
	cmd.Env = environment
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, b)
	}
	return out, nil
}

// bootstrap returns the path of a worker's binary.
func bootstrap(t testing.TB, worker string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the test builds a binary")
	}
	path, err := bootstraps[worker]()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
