package thumbnail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// tableProfile is an RGB profile with a grid of 33 x 33 x 33 points of 16 bits,
// and three megabytes of zeros, which compress well.
func tableProfile() []byte {
	b := append([]byte("mft2"), 0, 0, 0, 0, 3, 3, 33, 0)
	b = append(b, make([]byte, 36)...)
	b = append(b, 0, 2, 0, 2)
	for range 3 {
		b = append(b, 0, 0, 0xff, 0xff)
	}
	for r := range 33 {
		for g := range 33 {
			for range 33 {
				b = append(b, byte((r+2*g)*255/96), 0, 0x80, 0, 0x80, 0)
			}
		}
	}
	for range 3 {
		b = append(b, 0, 0, 0xff, 0xff)
	}
	p := testpicture.Profile("RGB ", "Lab ", map[string][]byte{"A2B0": b})
	p = append(p, make([]byte, 3<<20)...)
	binary.BigEndian.PutUint32(p, uint32(len(p)))
	return p
}

// costPictures returns the fixtures, and generated pictures that are tiny, flat
// or have profiles.
func costPictures(t *testing.T) map[string][]byte {
	all := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(imagesDir, "*.[gjpw]*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, f := range files {
		if all[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	profile := append([]byte("t\x00\x00"), testpicture.Deflate(tableProfile())...)
	for _, side := range []int{1, 40, 300} {
		img := image.NewNRGBA(image.Rect(0, 0, side, side))
		for i := range img.Pix {
			img.Pix[i] = byte(i * i >> 3) // many colours, and many degrees of transparency
		}
		opaque := testpicture.Opaque(image.NewNRGBA(img.Rect))
		for i := range opaque.Pix {
			opaque.Pix[i] = img.Pix[i] | map[bool]byte{true: 255}[i%4 == 3]
		}
		frame := image.NewPaletted(img.Rect, color.Palette{color.Transparent, testpicture.TopLeft, testpicture.Ink})
		for i := range frame.Pix {
			frame.Pix[i] = uint8(i % 3)
		}
		for name, data := range map[string][]byte{
			"opaque.png": testpicture.EncodePNG(opaque), "alpha.png": testpicture.EncodePNG(img), "opaque.jpg": testpicture.EncodeJPEG(opaque),
			"alpha.gif":     testpicture.EncodeGIF(&gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{1}}),
			"profile.png":   testpicture.WithPNGChunk(testpicture.EncodePNG(opaque), "iCCP", profile, false),
			"profile.jpg":   testpicture.WithSegment(testpicture.EncodeJPEG(opaque), 0xe2, "ICC_PROFILE\x00\x01\x01"+string(testpicture.P3Profile())),
			"profiles.png":  testpicture.WithPNGChunk(testpicture.EncodePNG(img), "iCCP", profile, false),
			"lossless.webp": testpicture.WebPFile(testpicture.OneGroup(side, side)),
		} {
			all[fmt.Sprintf("%d-%s", side, name)] = data
		}
	}
	return all
}

// The test is not parallel, because it measures the process.
func TestCostBoundsWhatIsAllocated(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	for name, data := range costPictures(t) {
		for _, sizes := range [][]Size{{{Width: 200, Height: 200}}, {{Width: 200, Height: 200}, {Width: 64, Height: 64, Fill: true}}, {{Width: 2000, Height: 2000}}, {{Width: 200, Height: 30, Fill: true, Gravity: Bottom, Sharpen: true}}, {{Width: 400, Height: 400, Pad: true, Background: "ffffff", Sharpen: true}, {Width: 90, Height: 90, Pad: true}}} {
			var p *Picture
			opened := allocated(func() {
				var err error
				if p, err = Open(bytes.NewReader(data), Options{Sizes: sizes, SmartCrop: true}); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			})
			if opened > openBytes+4*int64(len(data)) {
				t.Errorf("%s: Open allocates %d bytes", name, opened)
			}
			cost := p.Cost()
			got := allocated(func() {
				if _, err := p.Thumbnails(t.Context()); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			})
			t.Logf("%-28s %v: %d of %d", name, sizes, got, cost)
			if got > cost {
				t.Errorf("%s, %v: %d bytes were allocated, the cost is %d", name, sizes, got, cost)
			}
		}
	}
}

// TestOpenAllocatesByTheFileNotByItsClaims: a file of some bytes may claim chunks
// of megabytes. Not parallel: it measures the process.
func TestOpenAllocatesByTheFileNotByItsClaims(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	check := func(name string, claim uint32, data []byte) {
		got := allocated(func() { _, _ = Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 20, Height: 20}}}) })
		if limit := int64(1<<20 + 4*len(data)); got > limit {
			t.Errorf("%s that claims %d bytes, in a file of %d: Open allocates %d bytes, want at most %d", name, claim, len(data), got, limit)
		}
	}
	png := testpicture.EncodePNG(image.NewNRGBA(image.Rect(0, 0, 1, 1)))
	webp := "RIFF\xfe\xff\xff\x7fWEBPVP8X\x0a\x00\x00\x00\x2c\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, kind := range []string{"iCCP", "eXIf", "PLTE", "tRNS", "tEXt"} {
		for _, claim := range []uint32{256, 1 << 16, 1<<20 - 4, 4<<20 - 1, 4 << 20, 1<<31 - 1} {
			for _, body := range []int{0, 1000, 100_000} {
				data := binary.BigEndian.AppendUint32(bytes.Clone(png[:33]), claim) // after IHDR
				data = append(append(data, kind...), make([]byte, body)...)
				check("PNG "+kind, claim, data)
			}
		}
	}
	for _, kind := range []string{"ICCP", "EXIF"} {
		for _, claim := range []uint32{1<<20 - 2, 4<<20 - 2, 1<<31 - 2} {
			data := binary.LittleEndian.AppendUint32([]byte(webp+kind), claim)
			check("WebP "+kind, claim, append(data, make([]byte, 1000)...))
		}
	}
}

// The cost of an animation bounds the memory that is in use at one time.
func TestCostOfAnAnimation(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	in := &gif.GIF{}
	for n := range 40 {
		f := image.NewPaletted(image.Rect(0, 0, 400, 300), color.Palette{color.Transparent, testpicture.TopLeft, testpicture.Ink, testpicture.Paper})
		for i := range f.Pix {
			f.Pix[i] = uint8((i*(n+3) + i/400) % 7 / 2)
		}
		in.Image, in.Delay = append(in.Image, f), append(in.Delay, 3)
	}
	data := bytes.NewReader(testpicture.EncodeGIF(in))
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	live := func() uint64 {
		runtime.GC()
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := live()
	var most uint64
	p, err := Open(readerFunc(func(b []byte) (int, error) {
		most = max(most, live())
		return data.Read(b[:min(len(b), 4000)])
	}), Options{Sizes: []Size{{Width: 200, Height: 200}, {Width: 100, Height: 100, Fill: true}}, MaxFrames: 50})
	if err != nil {
		t.Fatal(err)
	}
	cost := uint64(p.Cost())
	if _, err := p.Thumbnails(t.Context()); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	most = max(most, live())
	if most-before > cost {
		t.Errorf("%d bytes are in use at once, the cost is %d", most-before, cost)
	}
}
