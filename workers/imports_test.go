// Package workers_test holds what all workers keep to: who may import whom, and
// that each becomes a Lambda binary of its own.
package workers_test

import (
	"crypto/sha256"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deps lists the packages that a package needs, itself among them.
func deps(t *testing.T, pattern string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", pattern)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pattern, err)
	}
	return strings.Fields(string(out))
}

func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".") && first != "sluice"
}

func TestArrows(t *testing.T) {
	t.Parallel()
	aws := []string{"github.com/aws/"}
	home := []string{"go.etcd.io/bbolt", "sluice/deploy"}
	mails := []string{"github.com/wneessen/go-mail"}
	tables := []string{"github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"}
	pictures := []string{"github.com/disintegration/imaging", "sluice/thumbnail"}
	for _, tt := range []struct {
		pattern   string
		never     []string // prefixes of paths
		ours      []string // the only packages of the project that it may need, beside itself; nil: any
		plainOnly bool     // the standard library and nothing else
		under     string   // the only path below which packages of the project may be needed
	}{
		{pattern: "./pipeline", plainOnly: true, ours: []string{}},
		{pattern: "./thumbnail", never: aws, under: "sluice/thumbnail/"},
		{pattern: "./thumbnail/scaledjpeg", plainOnly: true, ours: []string{}},
		{pattern: "./notify", never: aws, ours: []string{}},
		{pattern: "./pipeline/lambdaevent", plainOnly: true, ours: []string{"sluice/pipeline", "sluice/pipeline/lambdaevent/internal/jsonscan"}},
		{pattern: "./pipeline/lambdaevent/streamchange", plainOnly: true, ours: []string{"sluice/pipeline", "sluice/pipeline/lambdaevent", "sluice/pipeline/lambdaevent/internal/jsonscan"}},
		{pattern: "./pipeline/lambdaevent/attributes", never: home},
		{pattern: "./pipeline/dynamotable", never: home},
		{pattern: "./pipeline/sqsqueue", never: home, ours: []string{"sluice/pipeline"}},
		{pattern: "./pipeline/tabletest", plainOnly: true, ours: []string{"sluice/pipeline"}},
		{pattern: "./notify/sesnotify", never: home},
		{pattern: "./notify/snsnotify", never: home},
		{pattern: "./workers/schema", plainOnly: true, ours: []string{"sluice/pipeline"}},
		// A binary holds what its job needs: that is its start-up time.
		{pattern: "./workers/uploads/bootstrap", never: slices.Concat(home, mails, tables, []string{"sluice/notify"})},
		{pattern: "./workers/changes/bootstrap", never: slices.Concat(home, pictures, tables)},
		{pattern: "./workers/messages/bootstrap", never: slices.Concat(home, pictures)},
	} {
		t.Run(strings.TrimPrefix(tt.pattern, "./"), func(t *testing.T) {
			t.Parallel()
			self := "sluice/" + strings.TrimPrefix(tt.pattern, "./")
			for _, pkg := range deps(t, tt.pattern) {
				for _, never := range tt.never {
					if strings.HasPrefix(pkg, never) {
						t.Errorf("needs %s: %s must stay out of it", pkg, never)
					}
				}
				if tt.plainOnly && !isStandard(pkg) && !strings.HasPrefix(pkg, "sluice/") {
					t.Errorf("needs %s: only the standard library may be", pkg)
				}
				if tt.under != "" && strings.HasPrefix(pkg, "sluice/") && pkg != self && !strings.HasPrefix(pkg, tt.under) {
					t.Errorf("needs %s: of the project only packages under %s may be", pkg, tt.under)
				}
				if tt.ours != nil && strings.HasPrefix(pkg, "sluice/") && pkg != self && !slices.Contains(tt.ours, pkg) {
					t.Errorf("needs %s: of the project only %v may be", pkg, tt.ours)
				}
			}
		})
	}
}

func TestWorkersDoNotKnowEachOther(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob("*/bootstrap/main.go")
	if err != nil || len(mains) < 3 {
		t.Fatalf("mains: got %v, %v", mains, err)
	}
	for _, main := range mains {
		worker := strings.Split(main, string(filepath.Separator))[0]
		for _, pkg := range deps(t, "./workers/"+worker) {
			for _, other := range mains {
				name := strings.Split(other, string(filepath.Separator))[0]
				if name != worker && strings.HasPrefix(pkg, "sluice/workers/"+name) {
					t.Errorf("worker %s needs %s: workers are independent", worker, pkg)
				}
			}
		}
	}
}

// TestBootstraps builds each worker as it is deployed.
func TestBootstraps(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds three binaries: left out by -short")
	}
	dist := t.TempDir()
	seen := make(map[[32]byte]string)
	for _, worker := range []string{"uploads", "changes", "messages"} {
		out := filepath.Join(dist, worker, "bootstrap")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, "./workers/"+worker+"/bootstrap")
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", worker, err, b)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if other, ok := seen[sum]; ok {
			t.Errorf("workers %s and %s are the same file", worker, other)
		}
		seen[sum] = worker
		file, err := elf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := file.ImportedLibraries()
		if file.Machine != elf.EM_AARCH64 || err != nil || len(libraries) != 0 {
			t.Errorf("worker %s: machine %v, libraries %v, %v: want a static arm64 binary", worker, file.Machine, libraries, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}
