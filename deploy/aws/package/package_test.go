package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestZips packs all workers, from here and from a copy of the sources in
// another folder: the bytes are the same, and what is in them is what Lambda
// wants.
func TestZips(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds binaries: left out by -short")
	}
	dist := t.TempDir()
	var said bytes.Buffer
	if err := run(t.Context(), []string{"-o", dist}, &said); err != nil {
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
	for _, worker := range workers {
		t.Run(worker, func(t *testing.T) {
			file := filepath.Join(dist, worker+".zip")
			if !strings.Contains(said.String(), file) || !bytes.Contains(template, []byte("CodeUri: "+worker+".zip")) {
				t.Errorf("neither %q nor template.yaml may leave out %s", said.String(), worker)
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
				t.Error("two checkouts of the same sources made two different zips")
			}
			binary := checkZip(t, here)
			if bytes.Contains(binary, []byte(root+"/")) {
				t.Error("the binary tells where it was built")
			}
		})
	}
}

// copySources copies what builds the workers.
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

// checkZip holds a zip to what Lambda wants of it, and returns the binary.
func checkZip(t *testing.T, content []byte) []byte {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode() != 0o755 || !archive.File[0].Modified.Equal(epoch) {
		t.Fatalf("got %+v, want bootstrap alone, 0755, of 1980", archive.File)
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
		t.Errorf("machine %v, libraries %v, %v: want a static arm64 binary", file.Machine, libraries, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary asks for a loader (%v): want it static", p.Type)
		}
	}
	if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
		t.Error("the binary has symbols: want it stripped")
	}
	return binary
}

func TestBareIsTheBinaryAlone(t *testing.T) {
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
		t.Errorf("got %v, %v, want bootstrap alone", entries, err)
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"nobody":                         `no worker "nobody": there are uploads, changes, messages`,
		"-bare DIR":                      "-bare is for one worker, not for 3",
		"-bare DIR uploads nobody":       `no worker "nobody"`,
		"-bare DIR uploads messages":     "-bare is for one worker, not for 2",
		"-o /dev/null/no-folder uploads": "/dev/null",
	} {
		args := strings.Fields(strings.ReplaceAll(args, "DIR", t.TempDir()))
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("package %q: got %v, want %q", args, err, want)
		}
	}
}

func TestWithZips(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := withZips(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for zip, times := range map[string]int{"uploads.zip": 1, "messages.zip": 2, "changes.zip": 1} {
		if n := strings.Count(got, "      CodeUri: "+zip+"\n"); n != times {
			t.Errorf("%s is named %d times, want %d", zip, n, times)
		}
	}
	if strings.Contains(got, "BuildMethod") || strings.Contains(got, "CodeUri: .\n") {
		t.Error("the template still asks for a build")
	}
	lost := strings.Replace(string(text), "  JobsFunction:", "  OtherFunction:", 1)
	if _, err := withZips(lost); err == nil || !strings.Contains(err.Error(), "OtherFunction") {
		t.Errorf("a function without a package: got %v, want an error that names it", err)
	}
}
