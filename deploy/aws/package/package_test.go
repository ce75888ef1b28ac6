package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestZips packs one worker twice, from two folders: the bytes are the same, and
// what is in them is what Lambda wants.
func TestZips(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds binaries: left out by -short")
	}
	var zips [2][]byte
	for i := range zips {
		dist := filepath.Join(t.TempDir(), strings.Repeat("x", i+1))
		var said bytes.Buffer
		if err := run(t.Context(), []string{"-o", dist, "changes"}, &said); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dist, "changes.zip")
		if !strings.Contains(said.String(), file) {
			t.Errorf("got %q, want the name of %s in it", said.String(), file)
		}
		var err error
		if zips[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		template, err := os.ReadFile(filepath.Join(dist, "template.yaml"))
		if err != nil || !bytes.Contains(template, []byte("CodeUri: changes.zip")) {
			t.Errorf("template.yaml: %v, want one that names changes.zip", err)
		}
		// Were the time in it, the two would differ only across a second.
		if i == 0 {
			old := time.Now().Add(-24 * time.Hour)
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("the same sources made two different zips")
	}

	archive, err := zip.NewReader(bytes.NewReader(zips[0]), int64(len(zips[0])))
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
	if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
		t.Error("the binary has symbols: want it stripped")
	}
	if root, err := moduleRoot(t.Context()); err != nil || bytes.Contains(binary, []byte(root+"/")) {
		t.Errorf("the binary tells where it was built (%v)", err)
	}
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
