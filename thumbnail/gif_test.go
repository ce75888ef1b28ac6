package thumbnail

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"slices"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

var gifColours = color.Palette{color.NRGBA{}, testpicture.TopLeft, testpicture.TopRight, testpicture.BottomLeft, testpicture.BottomRight, testpicture.Paper, testpicture.Ink}

// frameOf is a frame of one colour, by its index.
func frameOf(r image.Rectangle, index uint8) *image.Paletted {
	f := image.NewPaletted(r, gifColours)
	for i := range f.Pix {
		f.Pix[i] = index
	}
	return f
}

// movingGIF has frames that cover parts of its screen, with transparent holes
// and every disposal.
func movingGIF() *gif.GIF {
	holes := frameOf(image.Rect(8, 8, 56, 40), 2)
	for i := range holes.Pix {
		if i%48 > 20 && i%48 < 30 {
			holes.Pix[i] = 0
		}
	}
	return &gif.GIF{
		Image: []*image.Paletted{
			frameOf(image.Rect(0, 0, 64, 48), 5), frameOf(image.Rect(10, 4, 30, 30), 1), holes,
			frameOf(image.Rect(40, 20, 64, 48), 3), frameOf(image.Rect(0, 40, 20, 48), 4), frameOf(image.Rect(2, 2, 12, 12), 6),
		},
		Delay:     []int{10, 20, 0, 40, 7, 300},
		Disposal:  []byte{gif.DisposalNone, gif.DisposalPrevious, gif.DisposalBackground, 0, gif.DisposalNone, gif.DisposalPrevious},
		LoopCount: 7,
		Config:    image.Config{Width: 64, Height: 48, ColorModel: gifColours},
	}
}

// composited returns the screen after each frame, as the standard defines it.
func composited(g *gif.GIF) (frames []*image.NRGBA) {
	screen := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	for i, f := range g.Image {
		before := slices.Clone(screen.Pix)
		draw.Draw(screen, f.Rect, f, f.Rect.Min, draw.Over)
		shown := image.NewNRGBA(screen.Rect)
		copy(shown.Pix, screen.Pix)
		frames = append(frames, shown)
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(screen, f.Rect, image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			copy(screen.Pix, before)
		}
	}
	return frames
}

func animate(t *testing.T, data []byte, o Options) *gif.GIF {
	t.Helper()
	res, err := Make(t.Context(), bytes.NewReader(data), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Thumbnails[0]; got.ContentType != "image/gif" || got.Ext != "gif" {
		t.Fatalf("got %s", got.ContentType)
	}
	out, err := gif.DecodeAll(bytes.NewReader(res.Thumbnails[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnimationsMatchAReferenceDecoder(t *testing.T) {
	t.Parallel()
	in := movingGIF()
	out := animate(t, testpicture.EncodeGIF(in), Options{Sizes: []Size{{Width: 64, Height: 48}}, MaxFrames: 10})
	if !slices.Equal(out.Delay, in.Delay) || out.LoopCount != in.LoopCount {
		t.Errorf("got delays %v and %d loops, want %v and %d", out.Delay, out.LoopCount, in.Delay, in.LoopCount)
	}
	want, got := composited(in), composited(out)
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if d := testpicture.MeanDifference(got[i], want[i]); d > 0 {
			t.Errorf("frame %d differs by %.2f grey levels", i, d)
		}
	}
	// The same, smaller.
	small := animate(t, testpicture.EncodeGIF(in), Options{Sizes: []Size{{Width: 32, Height: 24}}, MaxFrames: 10})
	for i, f := range composited(small) {
		if f.Rect.Dx() != 32 || !testpicture.Near(f.At(2, 22), want[i].NRGBAAt(4, 44), 1) || !testpicture.Near(f.At(28, 3), want[i].NRGBAAt(56, 6), 1) {
			t.Errorf("frame %d of half the size is another", i)
		}
	}
}

func TestLoopsOfAnimations(t *testing.T) {
	t.Parallel()
	for _, loop := range []int{-1, 0, 1, 65535} {
		in := movingGIF()
		in.LoopCount = loop
		if out := animate(t, testpicture.EncodeGIF(in), Options{Sizes: []Size{{Width: 32, Height: 32}}, MaxFrames: 6}); out.LoopCount != loop {
			t.Errorf("got %d, want %d", out.LoopCount, loop)
		}
	}
}

func TestAnimationsOfTooManyFramesAreStills(t *testing.T) {
	t.Parallel()
	data := testpicture.EncodeGIF(movingGIF())
	for _, most := range []int{0, 1, 5} {
		res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 64, Height: 48}}, MaxFrames: most})
		if err != nil || res.Thumbnails[0].ContentType != "image/jpeg" {
			t.Errorf("at most %d frames: got %+v, %v, want a still", most, res, err)
		}
	}
}

func TestDamagedAnimationKeepsItsWholeFrames(t *testing.T) {
	t.Parallel()
	in := movingGIF()
	data := testpicture.EncodeGIF(in)
	o := Options{Sizes: []Size{{Width: 64, Height: 48}}, MaxFrames: 10}
	// In the third frame's data: behind its image descriptor.
	third := bytes.Index(data, []byte{0x2c, 8, 0, 8, 0, 48, 0, 32, 0}) + 60
	want := composited(in)
	for _, tt := range []struct {
		name   string
		data   []byte
		frames int
	}{
		{"without its last byte", data[:len(data)-1], 6},
		{"cut in its third frame", data[:third], 2},
	} {
		got := composited(animate(t, tt.data, o))
		if len(got) != tt.frames {
			t.Errorf("%s: got %d frames, want %d", tt.name, len(got), tt.frames)
			continue
		}
		for i := range got {
			if d := testpicture.MeanDifference(got[i], want[i]); d > 0 {
				t.Errorf("%s: frame %d differs by %.2f", tt.name, i, d)
			}
		}
	}
	if _, err := Make(t.Context(), bytes.NewReader(data[:60]), o); kindOf(err) != "corrupt" {
		t.Errorf("cut in its first frame: got %v", err)
	}
}

func TestSmartCropIsTheSameForAllFrames(t *testing.T) {
	t.Parallel()
	// Left half red, right half blue; the first frame has stripes on the left,
	// the second more of them on the right.
	colours := color.Palette{testpicture.TopLeft, testpicture.BottomLeft, testpicture.Ink, testpicture.Paper}
	frame := func(stripes image.Rectangle, width int) *image.Paletted {
		f := image.NewPaletted(image.Rect(0, 0, 200, 50), colours)
		for i := range f.Pix {
			if x := i % 200; (image.Point{x, i / 200}).In(stripes) {
				f.Pix[i] = 2 + uint8(x/width%2)
			} else if x >= 100 {
				f.Pix[i] = 1
			}
		}
		return f
	}
	in := &gif.GIF{Image: []*image.Paletted{frame(image.Rect(5, 10, 45, 25), 4), frame(image.Rect(155, 10, 195, 40), 2)}, Delay: []int{5, 5}}
	out := animate(t, testpicture.EncodeGIF(in), Options{Sizes: []Size{{Width: 50, Height: 50, Fill: true}}, MaxFrames: 5, SmartCrop: true})
	for i, f := range composited(out) {
		if !testpicture.Near(f.At(25, 48), testpicture.TopLeft, 10) {
			t.Errorf("frame %d shows %v, want the left half", i, f.At(25, 48))
		}
	}
}

// oddFrame is a GIF whose screen has a frame of its own size, and a second frame
// that may be larger, with the pixels of so many rows.
func oddFrame(screenW, screenH, w, h, rows int, interlaced bool) []byte {
	le := binary.LittleEndian
	out := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(screenW)), uint16(screenH))
	out = append(out, 0x80, 0, 0, 200, 40, 40, 10, 20, 30)
	frame := func(w, h, rows int, interlaced bool) {
		out = append(out, 0x2c, 0, 0, 0, 0)
		out = append(le.AppendUint16(le.AppendUint16(out, uint16(w)), uint16(h)), map[bool]byte{true: 0x40}[interlaced], 2)
		var packed bytes.Buffer
		z := lzw.NewWriter(&packed, lzw.LSB, 2)
		row := make([]byte, w)
		for range rows {
			z.Write(row)
		}
		z.Close()
		for block := range slices.Chunk(packed.Bytes(), 255) {
			out = append(append(out, byte(len(block))), block...)
		}
		out = append(out, 0)
	}
	frame(screenW, screenH, screenH, false)
	frame(w, h, rows, interlaced)
	return append(out, 0x3b)
}

// The first frame sets the size of the picture. A later frame is cropped: the
// rows below the screen are not read, unless the next pass of an interlaced
// frame follows them.
func TestLaterFramesLargerThanTheScreenAreCropped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"rows below the screen are missing", oddFrame(10, 10, 65535, 8000, 10, false)},
		{"interlaced", oddFrame(10, 10, 50, 400, 205, true)},
	} {
		res, err := Make(t.Context(), bytes.NewReader(tt.data), Options{Sizes: []Size{{Width: 10, Height: 10}}, MaxFrames: 5})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		g, err := gif.DecodeAll(bytes.NewReader(res.Thumbnails[0].Data))
		if err != nil || len(g.Image) != 2 {
			t.Fatalf("%s: got %s, %v, want two frames", tt.name, res.Thumbnails[0].ContentType, err)
		}
		if got := g.Image[1].At(9, 9); !testpicture.Near(got, color.NRGBA{200, 40, 40, 255}, 12) {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	for _, interlaced := range []bool{false, true} {
		_, err := Make(t.Context(), bytes.NewReader(oddFrame(10, 10, 65535, 8000, 10, interlaced)), Options{Sizes: []Size{{Width: 10, Height: 10}}, MaxPixels: 1e6, MaxFrames: 5})
		got, ok := errors.AsType[*TooLargeError](err)
		if !ok || got.Got != 65535*8000 || got.Setting != "MaxPixels" {
			t.Errorf("got %v, want a refusal by the frame's pixels", err)
		}
	}
}

// As in imgproxy, the pixels of an animation are width x height x frames.
func TestPixelsOfAnAnimationAreThoseOfItsFrames(t *testing.T) {
	t.Parallel()
	data := testpicture.EncodeGIF(movingGIF())
	o := Options{Sizes: []Size{{Width: 32, Height: 32}}, MaxFrames: 10, MaxPixels: 64 * 48 * 6}
	if _, err := Make(t.Context(), bytes.NewReader(data), o); err != nil {
		t.Errorf("exactly at the limit: %v", err)
	}
	o.MaxPixels--
	_, err := Make(t.Context(), bytes.NewReader(data), o)
	if got, ok := errors.AsType[*TooLargeError](err); !ok || got.Got != 64*48*6 || got.What != "pixels" {
		t.Errorf("got %v, want a refusal by six frames' pixels", err)
	}
	o.MaxFrames = 0
	if _, err := Make(t.Context(), bytes.NewReader(data), o); err != nil {
		t.Errorf("as a still: %v", err)
	}
}
