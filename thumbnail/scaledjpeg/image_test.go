package scaledjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"testing"
)

// ToImage at full size is what image/jpeg makes of the same bytes, in color:
// the planes differ by one at most, and color conversion enlarges that.
func TestToImage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		sampling [][2]int
		o        writeOptions
		want     image.Image // its type
	}{
		{"gray", samplingGray, writeOptions{}, &image.Gray{}},
		{"4:4:4", sampling444, writeOptions{}, &image.YCbCr{}},
		{"4:2:0", sampling420, writeOptions{}, &image.YCbCr{}},
		{"4:2:2", [][2]int{{2, 1}, {1, 1}, {1, 1}}, writeOptions{}, &image.YCbCr{}},
		{"4:4:0", [][2]int{{1, 2}, {1, 1}, {1, 1}}, writeOptions{}, &image.YCbCr{}},
		{"4:1:1", [][2]int{{4, 1}, {1, 1}, {1, 1}}, writeOptions{}, &image.YCbCr{}},
		{"4:1:0", [][2]int{{4, 2}, {1, 1}, {1, 1}}, writeOptions{}, &image.YCbCr{}},
		{"RGB", sampling444, writeOptions{adobe: 1}, &image.RGBA{}},
		{"CMYK", [][2]int{{1, 1}, {1, 1}, {1, 1}, {1, 1}}, writeOptions{adobe: 1}, &image.RGBA{}},
		{"YCCK", [][2]int{{2, 2}, {1, 1}, {1, 1}, {2, 2}}, writeOptions{adobe: 3}, &image.RGBA{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPicture(39, 27, tt.sampling, 11)
			data := p.encode(tt.o)
			want, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(bytes.NewReader(data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := m.ToImage()
			if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", tt.want) || got.Bounds() != want.Bounds() {
				t.Fatalf("got %T %v, want %T %v", got, got.Bounds(), tt.want, want.Bounds())
			}
			for y := range 27 {
				for x := range 39 {
					r, g, b, _ := got.At(x, y).RGBA()
					wr, wg, wb, _ := want.At(x, y).RGBA()
					for _, d := range []int{int(r>>8) - int(wr>>8), int(g>>8) - int(wg>>8), int(b>>8) - int(wb>>8)} {
						if d < -4 || d > 4 {
							t.Fatalf("(%d,%d): got %v, want %v", x, y, got.At(x, y), want.At(x, y))
						}
					}
				}
			}
			for _, scale := range []int{2, 4, 8} {
				m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
				if err != nil {
					t.Fatal(err)
				}
				if b := m.ToImage().Bounds(); b != image.Rect(0, 0, ceilDiv(39, scale), ceilDiv(27, scale)) {
					t.Errorf("1/%d is %v", scale, b)
				}
			}
		})
	}
}

func TestRGBRowInk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		h    Header
		in   [4]byte
		want [3]byte
	}{
		{Header{ColorModel: CMYK}, [4]byte{0, 0, 0, 0}, [3]byte{255, 255, 255}},
		{Header{ColorModel: CMYK}, [4]byte{255, 0, 0, 0}, [3]byte{0, 255, 255}},
		{Header{ColorModel: CMYK}, [4]byte{0, 0, 0, 255}, [3]byte{0, 0, 0}},
		{Header{ColorModel: CMYK}, [4]byte{0, 255, 0, 127}, [3]byte{128, 0, 128}},
		{Header{ColorModel: CMYK, Inverted: true}, [4]byte{255, 255, 255, 255}, [3]byte{255, 255, 255}},
		{Header{ColorModel: CMYK, Inverted: true}, [4]byte{0, 255, 255, 255}, [3]byte{0, 255, 255}},
		// As libjpeg has it, YCC stands for 255 less the stored ink, and the
		// stored ink is inverted once more: black YCC is full light.
		{Header{ColorModel: YCCK, Inverted: true}, [4]byte{0, 128, 128, 255}, [3]byte{255, 255, 255}},
		{Header{ColorModel: YCCK, Inverted: true}, [4]byte{255, 128, 128, 255}, [3]byte{0, 0, 0}},
	}
	for _, tt := range tests {
		var got [3]byte
		tt.h.RGBRow(got[:], tt.in[:1], tt.in[1:2], tt.in[2:3], tt.in[3:4])
		if got != tt.want {
			t.Errorf("%v inverted %v %v: got %v, want %v", tt.h.ColorModel, tt.h.Inverted, tt.in, got, tt.want)
		}
	}
}

func TestScaleFor(t *testing.T) {
	t.Parallel()
	h := Header{Width: 2725, Height: 2225}
	for _, tt := range []struct{ w, h, want int }{
		{1, 1, 8}, {340, 278, 8}, {341, 1, 4}, {1, 279, 4}, {681, 556, 4}, {682, 1, 2}, {1362, 1, 2}, {1363, 1, 1}, {9999, 1, 1},
	} {
		if got := h.ScaleFor(tt.w, tt.h); got != tt.want {
			t.Errorf("%dx%d: got 1/%d, want 1/%d", tt.w, tt.h, got, tt.want)
		}
	}
}
