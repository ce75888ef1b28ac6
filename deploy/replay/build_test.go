package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// bin is where this run's binaries lie.
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

// bootstraps are the workers' binaries, each built once a run, by the first who
// asks for it.
var bootstraps = map[string]func() (string, error){
	"uploads":  once("../uploads/bootstrap", "uploads"),
	"changes":  once("../changes/bootstrap", "changes"),
	"messages": once("../messages/bootstrap", "messages"),
}

func once(pkg, name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) { return compile(pkg, name) })
}

// compile builds a main as it is deployed, for this machine. Under the race
// detector it is built with it.
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
		t.Skip("builds a binary: left out by -short")
	}
	path, err := bootstraps[worker]()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
