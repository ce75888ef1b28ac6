package png

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

// file writes a PNG of random samples in any form. Filters change from row to
// row.
type file struct {
	w, h, depth int
	colour      byte
	interlaced  bool
	palette     []byte
	trns        []byte
}

func (f file) form() *form { return &form{w: f.w, h: f.h, depth: f.depth, colour: f.colour} }

func (f file) encode(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 8))
	samples := f.form().samples()
	values := make([]uint16, f.w*f.h*samples)
	for i := range values {
		values[i] = uint16(rng.Uint32()) & (1<<f.depth - 1)
		if f.colour == colourPalette {
			values[i] %= uint16(len(f.palette) / 3)
		}
	}
	var raw []byte
	passes := []struct{ x, y, dx, dy int }{{0, 0, 1, 1}}
	if f.interlaced {
		passes = adam7[:]
	}
	row := 0
	for _, p := range passes {
		var previous []byte
		for y := p.y; y < f.h && p.x < f.w; y += p.dy {
			var bits []byte
			n := 0
			for x := p.x; x < f.w; x += p.dx {
				for s := range samples {
					v := values[(y*f.w+x)*samples+s]
					for b := f.depth - 1; b >= 0; b-- {
						if n%8 == 0 {
							bits = append(bits, 0)
						}
						bits[n/8] |= byte(v>>b&1) << (7 - n%8)
						n++
					}
				}
			}
			if previous == nil {
				previous = make([]byte, len(bits))
			}
			raw = append(raw, byte(row%5))
			raw = append(raw, filterRow(byte(row%5), bits, previous, max(1, samples*f.depth/8))...)
			previous = bits
			row++
		}
	}
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	z.Write(raw)
	z.Close()
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(f.w))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(f.h))
	interlace := byte(0)
	if f.interlaced {
		interlace = 1
	}
	out := append([]byte(testpicture.PNGSignature), testpicture.PNGChunk("IHDR", append(ihdr, byte(f.depth), f.colour, 0, 0, interlace))...)
	if f.palette != nil {
		out = append(out, testpicture.PNGChunk("PLTE", f.palette)...)
	}
	if f.trns != nil {
		out = append(out, testpicture.PNGChunk("tRNS", f.trns)...)
	}
	// Two IDAT chunks, the first a single byte.
	out = append(out, testpicture.PNGChunk("IDAT", data.Bytes()[:1])...)
	out = append(out, testpicture.PNGChunk("IDAT", data.Bytes()[1:])...)
	return append(out, testpicture.PNGChunk("IEND", nil)...)
}

// filterRow predicts each byte as the standard says.
func filterRow(filter byte, row, above []byte, pixel int) []byte {
	out := make([]byte, len(row))
	for i, v := range row {
		var a, c int
		b := int(above[i])
		if i >= pixel {
			a, c = int(row[i-pixel]), int(above[i-pixel])
		}
		switch filter {
		case 0:
			out[i] = v
		case 1:
			out[i] = v - byte(a)
		case 2:
			out[i] = v - byte(b)
		case 3:
			out[i] = v - byte((a+b)/2)
		case 4:
			p := a + b - c
			best := c
			if absInt(p-b) <= absInt(p-c) {
				best = b
			}
			if absInt(p-a) <= absInt(p-b) && absInt(p-a) <= absInt(p-c) {
				best = a
			}
			out[i] = v - byte(best)
		}
	}
	return out
}

func forms() map[string]file {
	palette := make([]byte, 3*256)
	for i := range palette {
		palette[i] = byte(i*7 + i/3)
	}
	forms := map[string]file{}
	add := func(name string, f file) {
		for _, interlaced := range []bool{false, true} {
			f.interlaced = interlaced
			forms[fmt.Sprintf("%s, %d bits, interlaced %t", name, f.depth, interlaced)] = f
		}
	}
	for _, d := range []int{1, 2, 4, 8, 16} {
		add("grey", file{depth: d, colour: colourGrey})
		add("grey with a key", file{depth: d, colour: colourGrey, trns: []byte{0, 1}})
	}
	for _, d := range []int{1, 2, 4, 8} {
		add("palette", file{depth: d, colour: colourPalette, palette: palette[:3<<d]})
		add("palette with alpha", file{depth: d, colour: colourPalette, palette: palette[:3<<d], trns: []byte{0, 100}})
	}
	for _, d := range []int{8, 16} {
		add("RGB", file{depth: d, colour: colourRGB})
		add("RGB with a key", file{depth: d, colour: colourRGB, trns: []byte{0, 1, 0, 2, 0, 3}})
		add("grey and alpha", file{depth: d, colour: colourGreyAlpha})
		add("RGBA", file{depth: d, colour: colourRGBA})
	}
	return forms
}

func decodeFile(tb testing.TB, data []byte, reduction int) (*raster.Raster, error) {
	tb.Helper()
	h, err := Open(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, err
	}
	return h.Decoder.Decode(float64(4 * reduction))
}

func TestEveryFormAgainstTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for name, f := range forms() {
		for _, dim := range [][2]int{{1, 1}, {3, 2}, {5, 9}, {17, 13}, {64, 20}} {
			f.w, f.h = dim[0], dim[1]
			data := f.encode(11)
			want, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatalf("%s %v: the test's own file: %v", name, dim, err)
			}
			got, err := decodeFile(t, data, 1)
			if err != nil {
				t.Errorf("%s %v: %v", name, dim, err)
				continue
			}
			for y := range f.h {
				for x := range f.w {
					c := color.NRGBA64Model.Convert(want.At(x, y)).(color.NRGBA64)
					check := func(what string, p *raster.Plane, v uint16) {
						// Rounded to 8 bits and multiplied by alpha, in
						// whichever order.
						if w := float64(v) * float64(c.A) / 65535 / 257; math.Abs(float64(p.Row(y)[x])-w) > 1.5 {
							t.Fatalf("%s %v: %s at %d,%d is %d, want %.2f", name, dim, what, x, y, p.Row(y)[x], w)
						}
					}
					check("first channel", &got.Planes[0], c.R)
					if len(got.Planes) == 3 {
						check("green", &got.Planes[1], c.G)
						check("blue", &got.Planes[2], c.B)
					}
					if got.Alpha != nil {
						check("alpha", got.Alpha, 65535)
					} else if c.A != 65535 {
						t.Fatalf("%s %v: transparency is lost", name, dim)
					}
				}
			}
		}
	}
}

func TestInterlacedReducesToTheSame(t *testing.T) {
	t.Parallel()
	for _, k := range []int{1, 2, 3, 7} {
		f := file{w: 50, h: 37, depth: 8, colour: colourRGBA}
		plain, err := decodeFile(t, f.encode(3), k)
		if err != nil {
			t.Fatal(err)
		}
		f.interlaced = true
		interlaced, err := decodeFile(t, f.encode(3), k)
		if err != nil {
			t.Fatal(err)
		}
		for i := range plain.Planes {
			p, q := &plain.Planes[i], &interlaced.Planes[i]
			if !bytes.Equal(p.Pix, q.Pix) || p.ExtentW != q.ExtentW || p.ExtentH != q.ExtentH {
				t.Errorf("by %d: plane %d differs", k, i)
			}
		}
	}
}

func absInt(v int) int { return max(v, -v) }
