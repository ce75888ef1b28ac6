// Package workers_test checks what all workers have in common: their imports, and
// that each is a Lambda binary of its own.
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

// goList runs go list at the root of the module and returns its lines.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".") && first != "sluice"
}

// isAmong reports whether pkg is one of paths, or below one that ends in a slash.
func isAmong(pkg string, paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		return pkg == path || strings.HasSuffix(path, "/") && strings.HasPrefix(pkg, path)
	})
}

func hasPrefix(pkg string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(pkg, prefix) })
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	var (
		aws      = []string{"github.com/aws/"}
		deploy   = []string{"go.etcd.io/bbolt", "sluice/deploy"}
		mails    = []string{"github.com/wneessen/go-mail"}
		tables   = []string{"github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"}
		pictures = []string{"github.com/disintegration/imaging", "sluice/thumbnail"}
	)
	for _, tt := range []struct {
		pattern  string
		never    []string // prefixes of packages that it must not depend on
		ours     []string // the only packages of this module that it may depend on, itself excepted; nil: any
		standard bool     // of other modules it depends on none
	}{
		{pattern: "./pipeline", standard: true, ours: []string{}},
		{pattern: "./pipeline/tabletest", standard: true, ours: []string{"sluice/pipeline"}},
		{pattern: "./pipeline/lambdaevent", standard: true, ours: []string{"sluice/pipeline", "sluice/pipeline/lambdaevent/internal/jsonscan"}},
		{pattern: "./pipeline/lambdaevent/streamchange", standard: true, ours: []string{"sluice/pipeline", "sluice/pipeline/lambdaevent", "sluice/pipeline/lambdaevent/internal/jsonscan"}},
		{pattern: "./pipeline/sqsqueue", ours: []string{"sluice/pipeline"}},
		{pattern: "./thumbnail", never: aws, ours: []string{"sluice/thumbnail/"}},
		{pattern: "./thumbnail/scaledjpeg", standard: true, ours: []string{"sluice/thumbnail/internal/"}},
		{pattern: "./notify", never: aws, ours: []string{}},
		{pattern: "./workers/schema", standard: true, ours: []string{"sluice/pipeline"}},
		{pattern: "./workers/setup", never: slices.Concat(mails, tables, pictures, []string{"github.com/aws/aws-sdk-go-v2/service/s3", "github.com/aws/aws-sdk-go-v2/service/sqs"})},
		// A binary has what its job needs and nothing else: its size is its start-up
		// time.
		{pattern: "./workers/uploads/bootstrap", never: slices.Concat(deploy, mails, tables, []string{"sluice/notify"})},
		{pattern: "./workers/changes/bootstrap", never: slices.Concat(deploy, pictures, tables)},
		{pattern: "./workers/messages/bootstrap", never: slices.Concat(deploy, pictures)},
	} {
		t.Run(strings.TrimPrefix(tt.pattern, "./"), func(t *testing.T) {
			t.Parallel()
			self := "sluice/" + strings.TrimPrefix(tt.pattern, "./")
			for _, pkg := range goList(t, "-deps", tt.pattern) {
				switch own := strings.HasPrefix(pkg, "sluice/"); {
				case hasPrefix(pkg, tt.never):
					t.Errorf("depends on %s, want no package of %v", pkg, tt.never)
				case tt.standard && !own && !isStandard(pkg):
					t.Errorf("depends on %s, want the standard library only", pkg)
				case tt.ours != nil && own && pkg != self && !isAmong(pkg, tt.ours):
					t.Errorf("depends on %s, want of this module only %v", pkg, tt.ours)
				}
			}
		})
	}
}

// trees are the packages that do not depend on deploy, which depends on them.
var trees = []string{"./workers/...", "./pipeline/...", "./thumbnail/...", "./notify/..."}

func TestNothingDependsOnDeploy(t *testing.T) {
	t.Parallel()
	for _, line := range goList(t, append([]string{"-deps", "-test", "-f", `{{.ImportPath}} {{join .Imports " "}}`}, trees...)...) {
		pkg, imports, _ := strings.Cut(line, " ")
		if strings.HasPrefix(pkg, "sluice/deploy") {
			continue // its importer is reported
		}
		for imported := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imported, "sluice/deploy") {
				t.Errorf("%s imports %s, want no package of sluice/deploy, in tests neither", pkg, imported)
			}
		}
	}
}

// TestRequiredModulesAreUsed holds the modules that the product must use to the
// packages that use them, outside tests and benchmarks.
func TestRequiredModulesAreUsed(t *testing.T) {
	t.Parallel()
	packages := goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	for module, want := range map[string][]string{ // packages, or folders of packages
		"github.com/aws/aws-lambda-go":                                 {"sluice/workers/setup"},
		"github.com/aws/aws-sdk-go-v2/service/s3":                      {"sluice/pipeline/sqsqueue", "sluice/workers/uploads"},
		"github.com/aws/aws-sdk-go-v2/service/sqs":                     {"sluice/pipeline/sqsqueue", "sluice/deploy/eventsource"},
		"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue": {"sluice/pipeline/dynamotable"},
		"github.com/disintegration/imaging":                            {"sluice/thumbnail"},
	} {
		var importers []string
		for _, line := range packages {
			fields := strings.Fields(line)
			uses := slices.ContainsFunc(fields[1:], func(imported string) bool { return imported == module || strings.HasPrefix(imported, module+"/") })
			if uses && !strings.HasSuffix(fields[0], "/bench") {
				importers = append(importers, fields[0])
			}
		}
		t.Logf("%s: imported by %s", module, strings.Join(importers, ", "))
		for _, pkg := range want {
			if !slices.ContainsFunc(importers, func(importer string) bool { return importer == pkg || strings.HasPrefix(importer, pkg+"/") }) {
				t.Errorf("%s: imported by %v, want %s among them", module, importers, pkg)
			}
		}
	}
}

// maxFiles is the number of Go files above which a package is split.
const maxFiles = 25

func TestPackagesAreSmall(t *testing.T) {
	t.Parallel()
	for _, dir := range goList(t, "-f", "{{.Dir}}", "./...") {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		if len(files) > maxFiles {
			t.Errorf("%s: got %d files beside tests, want %d at most", dir, len(files), maxFiles)
		}
	}
}

// workerNames are the names of the workers, by their mains.
func workerNames(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("*/bootstrap/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("mains: got %v, %v, want some", mains, err)
	}
	for i, main := range mains {
		mains[i], _, _ = strings.Cut(filepath.ToSlash(main), "/")
	}
	return mains
}

func TestWorkersAreIndependent(t *testing.T) {
	t.Parallel()
	names := workerNames(t)
	for _, worker := range names {
		for _, pkg := range goList(t, "-deps", "./workers/"+worker+"/...") {
			for _, other := range names {
				if other != worker && (pkg == "sluice/workers/"+other || strings.HasPrefix(pkg, "sluice/workers/"+other+"/")) {
					t.Errorf("worker %s depends on %s, want no other worker", worker, pkg)
				}
			}
		}
	}
}

// TestBinariesAreStaticAndDifferent builds each worker as it is deployed.
func TestBinariesAreStaticAndDifferent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the test builds a binary of each worker")
	}
	dist := t.TempDir()
	seen := make(map[[32]byte]string)
	for _, worker := range workerNames(t) {
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
			t.Errorf("workers %s and %s: got the same binary, want different ones", worker, other)
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
