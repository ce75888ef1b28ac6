package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed peers
var peerFiles embed.FS

// peer is a program that makes thumbnails: command FILE SIZE N.
type peer struct {
	name     string
	command  []string
	jpegOnly bool
	missing  string // why it is left out, "" when it is present
}

// sample is the output of a peer's process.
type sample struct {
	Ms float64 `json:"ms"` // CPU of one thumbnail
	KB float64 `json:"kb"` // peak resident memory of the process
}

// findPeers installs or builds the peers whose tools are present.
func findPeers(dir string) ([]*peer, error) {
	entries, err := peerFiles.ReadDir("peers")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := peerFiles.ReadFile("peers/" + e.Name())
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o644); err != nil {
			return nil, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []*peer{
		{name: "ours", command: []string{self, "child", "ours"}},
		sharpPeer(dir),
		cPeer(dir, "libvips", "vips", "vips", false),
		cPeer(dir, "turbo 1/8", "turbo", "libturbojpeg", true),
		pillowPeer(dir),
		{name: "imaging", command: []string{self, "child", "imaging"}},
	}, nil
}

func sharpPeer(dir string) *peer {
	p := &peer{name: "sharp", command: []string{"node", filepath.Join(dir, "sharp.js")}}
	check := func() error { return run(dir, "node", "-e", "require('sharp')") }
	if check() == nil {
		return p
	}
	if err := run(dir, "npm", "install", "--no-audit", "--no-fund", "--prefix", dir, "sharp@0.35"); err != nil {
		p.missing = firstLine(err)
	} else if err := check(); err != nil {
		p.missing = firstLine(err)
	}
	return p
}

func cPeer(dir, name, source, library string, jpegOnly bool) *peer {
	program := filepath.Join(dir, source)
	p := &peer{name: name, command: []string{program}, jpegOnly: jpegOnly}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", library).Output()
	if err != nil {
		p.missing = "pkg-config does not know " + library
		return p
	}
	args := append([]string{"-O2", "-o", program, program + ".c"}, strings.Fields(string(flags))...)
	if err := run(dir, "gcc", args...); err != nil {
		p.missing = firstLine(err)
	}
	return p
}

func pillowPeer(dir string) *peer {
	p := &peer{name: "Pillow", command: []string{"python3", filepath.Join(dir, "pillow.py")}}
	if err := run(dir, "python3", "-c", "import PIL.Image"); err != nil {
		p.missing = firstLine(err)
	}
	return p
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// measure runs a peer for n thumbnails.
func (p *peer) measure(dir, file string, size, n int) (sample, error) {
	args := append(append([]string(nil), p.command[1:]...), file, strconv.Itoa(size), strconv.Itoa(n))
	cmd := exec.Command(p.command[0], args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("%s on %s: %w: %s", p.name, filepath.Base(file), err, bytes.TrimSpace(stderr.Bytes()))
	}
	var s sample
	if err := json.Unmarshal(out, &s); err != nil {
		return sample{}, fmt.Errorf("%s on %s: %w", p.name, filepath.Base(file), err)
	}
	return s, nil
}
