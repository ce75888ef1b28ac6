package thumbnail

import (
	"bytes"
	"compress/zlib"
	"image"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestBadPNGs(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 8))
	noise := image.NewRGBA(image.Rect(0, 0, 20, 20))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rng.Uint32()) | map[bool]byte{true: 255}[i%4 == 3]
	}
	good := testpicture.EncodePNG(noise)
	const grey, rgb, palette = 0, 2, 3
	change := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	chunks := func(c ...[]byte) []byte { return append([]byte(testpicture.PNGSignature), bytes.Join(c, nil)...) }
	ihdr := func(depth, colour byte) []byte {
		return testpicture.PNGChunk("IHDR", []byte{0, 0, 0, 4, 0, 0, 0, 4, depth, colour, 0, 0, 0})
	}
	iend := testpicture.PNGChunk("IEND", nil)
	idat := func(raw []byte) []byte {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(raw)
		z.Close()
		return testpicture.PNGChunk("IDAT", b.Bytes())
	}
	for _, tt := range []struct {
		name, kind string
		data       []byte
		want       string
	}{
		{"size changed", "corrupt", change(19, 21), "checksum"},
		{"data changed", "corrupt", change(len(good)-40, good[len(good)-40]^1), "PNG data"},
		{"no palette", "corrupt", chunks(ihdr(8, palette), idat(make([]byte, 20)), iend), "no palette"},
		{"no data", "corrupt", chunks(ihdr(8, grey), iend), "holds no picture"},
		{"too little data", "corrupt", chunks(ihdr(8, grey), idat(make([]byte, 19)), iend), "ends early"},
		{"no such filter", "corrupt", chunks(ihdr(8, grey), idat(bytes.Repeat([]byte{9}, 20)), iend), "unknown filter 9"},
		{"no such form", "unsupported", chunks(ihdr(4, rgb)), "colour type 2, 4 bits"},
		{"Apple's variant", "unsupported", chunks(testpicture.PNGChunk("CgBI", []byte{0, 0, 0, 0})), "CgBI"},
		{"unknown critical chunk", "unsupported", chunks(ihdr(8, grey), testpicture.PNGChunk("NEWS", nil)), "NEWS"},
		{"palette of 4 bytes", "corrupt", chunks(ihdr(8, palette), testpicture.PNGChunk("PLTE", make([]byte, 4))), "palette of 4 bytes"},
		{"transparency before palette", "corrupt", chunks(ihdr(8, palette), testpicture.PNGChunk("tRNS", make([]byte, 4))), "transparency of 4 bytes"},
	} {
		_, err := Make(t.Context(), bytes.NewReader(tt.data), Options{Sizes: []Size{{Width: 10, Height: 10}}})
		if got := kindOf(err); got != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %s (%v), want %s with %q", tt.name, got, err, tt.kind, tt.want)
		}
	}
}
