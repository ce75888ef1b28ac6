package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

// TestZipsAreReproducible packs all workers, here and from a copy of the
// sources in another folder: the zips are equal, and they have the contents
// that Lambda needs.
func TestZipsAreReproducible(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds binaries: left out by -short")
	}
	dist := t.TempDir()
	var output bytes.Buffer
	if err := run(t.Context(), []string{"-o", dist}, &output); err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile(filepath.Join(dist, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "another-checkout")
	copySources(t, root, elsewhere)
	for _, worker := range functions.MappedWorkers() {
		t.Run(worker, func(t *testing.T) {
			file := filepath.Join(dist, worker+".zip")
			if !strings.Contains(output.String(), file) || !bytes.Contains(template, []byte("CodeUri: "+worker+".zip")) {
				t.Errorf("worker %s: want its zip in the output %q and in template.yaml", worker, output.String())
			}
			here, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			again := t.TempDir()
			if _, err := packWorker(t.Context(), elsewhere, worker, again); err != nil {
				t.Fatal(err)
			}
			there, err := os.ReadFile(filepath.Join(again, worker+".zip"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(here, there) {
				t.Error("two checkouts of the same sources: got different zips, want equal ones")
			}
			binary := checkZip(t, here)
			if bytes.Contains(binary, []byte(root+"/")) {
				t.Error("the binary contains the path of the checkout")
			}
		})
	}
}

// copySources copies the sources of the workers.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum", "workers", "pipeline", "thumbnail", "notify"} {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			if entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file := filepath.Join(to, rel)
			return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o644))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkZip checks that Lambda can run the zip, and returns the binary.
func checkZip(t *testing.T, content []byte) []byte {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode() != 0o755 || !archive.File[0].Modified.Equal(epoch) {
		t.Fatalf("got %+v, want only bootstrap, with the mode 0755 and the time %v", archive.File, epoch)
	}
	f, err := archive.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	binary, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	libraries, err := file.ImportedLibraries()
	if file.Machine != elf.EM_AARCH64 || len(libraries) != 0 || err != nil {
		t.Errorf("got the machine %v, the libraries %v and the error %v, want a static arm64 binary", file.Machine, libraries, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a segment %v, want it static", p.Type)
		}
	}
	if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
		t.Error("the binary has symbols, want it stripped")
	}
	return binary
}

func TestBareWritesOnlyTheBinary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a binary: left out by -short")
	}
	dir := t.TempDir()
	if err := run(t.Context(), []string{"-bare", dir, "changes"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "bootstrap" {
		t.Errorf("got %v and the error %v, want only bootstrap", entries, err)
	}
}

func TestRunRefusesWrongArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"nobody":                         `worker: got "nobody", want one of `,
		"-bare DIR":                      fmt.Sprintf("-bare: got %d workers, want one", len(functions.MappedWorkers())),
		"-bare DIR uploads nobody":       `worker: got "nobody"`,
		"-bare DIR uploads messages":     "-bare: got 2 workers, want one",
		"-o /dev/null/no-folder uploads": "/dev/null",
	} {
		args := strings.Fields(strings.ReplaceAll(args, "DIR", t.TempDir()))
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("package %q: got %v, want %q", args, err, want)
		}
	}
}

func TestWithZipsNamesTheZipOfEveryFunction(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := withZips(string(text))
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]int{}
	for _, f := range functions.Mapped() {
		uses[f.Worker+".zip"]++
	}
	for zip, times := range uses {
		if n := strings.Count(got, "      CodeUri: "+zip+"\n"); n != times {
			t.Errorf("%s: got it %d times, want %d", zip, n, times)
		}
	}
	if strings.Contains(got, "BuildMethod") || strings.Contains(got, "CodeUri: .\n") {
		t.Error("the template contains build instructions")
	}
	lost := strings.Replace(string(text), "  JobsFunction:", "  OtherFunction:", 1)
	if _, err := withZips(lost); err == nil || !strings.Contains(err.Error(), "OtherFunction") {
		t.Errorf("function that is not in the table: got the error %v, want one that names it", err)
	}
}
