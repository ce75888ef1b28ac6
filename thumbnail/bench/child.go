package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	_ "image/png"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/disintegration/imaging"
	_ "golang.org/x/image/webp"

	"sluice/thumbnail"
)

// child runs in the processes that the program starts from its own binary, with
// the arguments PEER FILE SIZE N. The peers "ours" and "imaging" make one
// thumbnail to warm up, then N, and print the CPU milliseconds of each. With the
// file "-", ours makes one thumbnail from its standard input. The peer "memory"
// is ours with the file in memory. "batch" makes the thumbnails on all cores and
// prints wall milliseconds.
func child(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("child: got %d arguments, want PEER FILE SIZE N", len(args))
	}
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	pool := new(thumbnail.Pool) // as in the worker
	if args[0] == "batch" {
		ms, err := batch(args[1], size, n, pool)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(sample{Ms: ms, KB: peak()})
	}
	work := map[string]func(string, int) error{
		"ours":    func(file string, size int) error { return ours(file, size, pool) },
		"memory":  inMemory(pool),
		"imaging": naive,
	}[args[0]]
	if work == nil {
		return fmt.Errorf("child: got peer %q, want ours, imaging, memory or batch", args[0])
	}
	if err := work(args[1], size); err != nil {
		return err
	}
	before := cpu()
	for range n {
		if err := work(args[1], size); err != nil {
			return err
		}
	}
	used := cpu() - before
	return json.NewEncoder(os.Stdout).Encode(sample{Ms: used / float64(max(n, 1)), KB: peak()})
}

// peak is the largest resident memory of this process in KiB, 0 where the system
// does not report it. The value of getrusage would be at least that of the
// parent process.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				return 0
			}
			return kb
		}
	}
	return 0
}

func options(size int) thumbnail.Options {
	return thumbnail.Options{
		Sizes:     []thumbnail.Size{{Width: size, Height: size}},
		Quality:   80,
		MaxPixels: 1 << 30,
		MaxBytes:  1 << 30,
	}
}

func ours(file string, size int, pool *thumbnail.Pool) error {
	var in io.Reader = os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return thumb(in, size, pool)
}

// thumb makes one thumbnail.
func thumb(in io.Reader, size int, pool *thumbnail.Pool) error {
	o := options(size)
	o.Pool = pool
	_, err := thumbnail.Make(context.Background(), in, o)
	return err
}

// inMemory makes thumbnails with our code from a file that the warm-up call
// reads once.
func inMemory(pool *thumbnail.Pool) func(string, int) error {
	var data []byte
	return func(file string, size int) (err error) {
		if data == nil {
			if data, err = os.ReadFile(file); err != nil {
				return err
			}
		}
		return thumb(bytes.NewReader(data), size, pool)
	}
}

// naive works as most Go programs do: decode everything, resize, encode.
func naive(file string, size int) error {
	img, err := naiveSmall(file, size)
	if err != nil {
		return err
	}
	return jpeg.Encode(io.Discard, img, &jpeg.Options{Quality: 80})
}

func naiveSmall(file string, size int) (image.Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	s := thumbnail.Size{Width: size, Height: size}
	w, h := s.Of(b.Dx(), b.Dy())
	return imaging.Resize(img, w, h, imaging.Lanczos), nil
}

// cpu is the process's user and system time in milliseconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(errors.Join(errors.New("getrusage"), err))
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
