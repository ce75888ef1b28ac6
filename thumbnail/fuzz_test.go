package thumbnail

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"
)

// openBytes limits what Open allocates, besides the parts of the file it keeps.
const openBytes = 2 << 20

func FuzzMake(f *testing.F) {
	for _, dir := range []string{imagesDir, filepath.Join(imagesDir, "bad")} {
		files, err := filepath.Glob(filepath.Join(dir, "*.*"))
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", dir, err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	sizes := []Size{
		{Width: 40, Height: 30},
		{Width: 30, Height: 40, Fill: true},
		{Width: 20, Height: 30, Fill: true, Gravity: BottomLeft, Sharpen: true},
		{Width: 30, Height: 20, Pad: true},
		{Width: 20, Height: 20, Pad: true, Background: "00ff00", Sharpen: true},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The pixel guard keeps the fuzzer fast; the limits have tests of their
		// own.
		o := Options{Sizes: sizes, MaxPixels: 1 << 18, MemoryBytes: 64 << 20, MaxFrames: len(data) % 2 * 5}
		var res *Result
		var p *Picture
		var err error
		opened := measuredAllocs(func() { p, err = Open(bytes.NewReader(data), o) })
		var used, cost int64
		if err == nil {
			cost = p.Cost()
			used = measuredAllocs(func() { res, err = p.Thumbnails(t.Context()) })
		}
		// The race detector allocates by itself.
		if !underRace && (opened > openBytes+4*int64(len(data)) || used > cost) {
			t.Fatalf("Open allocated %d bytes, decoding %d: the cost was %d", opened, used, cost)
		}
		if err != nil {
			if kindOf(err) == "other" {
				t.Fatalf("an error without a type: %v", err)
			}
			if c, ok := errors.AsType[*CorruptError](err); ok && c.Stack != nil {
				t.Fatalf("a decoder panicked: %v\n%s", err, c.Stack)
			}
			return
		}
		if res.Width < 1 || res.Height < 1 || len(res.Thumbnails) != len(sizes) {
			t.Fatalf("got %+v", res)
		}
		for i, thumb := range res.Thumbnails {
			c, _, err := image.DecodeConfig(bytes.NewReader(thumb.Data))
			if err != nil || c.Width != thumb.Width || c.Height != thumb.Height {
				t.Fatalf("thumbnail %d does not decode to %dx%d: %v", i, thumb.Width, thumb.Height, err)
			}
			if thumb.Width > sizes[i].Width || thumb.Height > sizes[i].Height || !sizes[i].Pad && (thumb.Width > res.Width || thumb.Height > res.Height) {
				t.Fatalf("thumbnail %d of %dx%d is %dx%d, larger than asked", i, res.Width, res.Height, thumb.Width, thumb.Height)
			}
		}
	})
}
