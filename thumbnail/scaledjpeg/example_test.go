package scaledjpeg_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"

	"sluice/thumbnail/scaledjpeg"
)

// file is a picture of 2725 x 2225: blue above, orange below.
func file() []byte {
	m := image.NewRGBA(image.Rect(0, 0, 2725, 2225))
	for y := range 2225 {
		for x := range 2725 {
			m.Set(x, y, color.RGBA{R: uint8(y / 9), G: 120, B: uint8(250 - y/9), A: 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

func ExampleDecode() {
	img, err := scaledjpeg.Decode(bytes.NewReader(file()), scaledjpeg.Options{Scale: 8})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.ColorModel, img.Width, img.Height)
	for _, p := range img.Planes {
		fmt.Printf("%dx%d samples, of which the picture covers %.4f x %.4f\n", p.W, p.H, p.ExtentW, p.ExtentH)
	}
	// Output:
	// YCbCr 2725 2225
	// 341x279 samples, of which the picture covers 340.6250 x 278.1250
	// 171x140 samples, of which the picture covers 170.3125 x 139.0625
	// 171x140 samples, of which the picture covers 170.3125 x 139.0625
}

// A thumbnail of 300 pixels: the header decides the scale, the scale decides
// the memory, the budget decides.
func ExampleDecoder() {
	var d scaledjpeg.Decoder
	h, err := d.ReadHeader(bytes.NewReader(file()))
	if err != nil {
		log.Fatal(err)
	}
	const width, height = 300, 245
	scale := h.ScaleFor(2*width, 2*height)
	fmt.Printf("1/%d takes %d KiB, 1/1 would take %d KiB\n", scale, h.MemoryBytes(scaledjpeg.Options{Scale: scale})>>10, h.MemoryBytes(scaledjpeg.Options{})>>10)

	img, err := d.Decode(scaledjpeg.Options{Scale: scale, MaxBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Bounds().Max)
	// Output:
	// 1/4 takes 785 KiB, 1/1 would take 9201 KiB
	// (682,557)
}

func ExampleDecode_limits() {
	_, err := scaledjpeg.Decode(bytes.NewReader(file()), scaledjpeg.Options{MaxPixels: 5_000_000})
	if limit, ok := errors.AsType[*scaledjpeg.LimitError](err); ok {
		fmt.Println(limit.Setting, limit.Need, limit.Limit)
	}
	// Output:
	// MaxPixels 6063125 5000000
}

// A file that ends early: what was there is decoded, the error says so.
func ExampleDecode_truncated() {
	data := file()
	img, err := scaledjpeg.Decode(bytes.NewReader(data[:len(data)/2]), scaledjpeg.Options{Scale: 8})
	fmt.Println(errors.Is(err, scaledjpeg.ErrTruncated), img.Bounds().Max)

	luma := img.Planes[0]
	fmt.Println("above:", luma.Pix[10], "below:", luma.Pix[270*luma.Stride])
	// Output:
	// true (341,279)
	// above: 99 below: 128
}

// Rows of equal length, resized from the planes, become R, G, B.
func ExampleHeader_RGBRow() {
	h := scaledjpeg.Header{ColorModel: scaledjpeg.YCbCr}
	y, cb, cr := []byte{76, 150, 29}, []byte{85, 44, 255}, []byte{255, 21, 107}
	rgb := make([]byte, 9)
	h.RGBRow(rgb, y, cb, cr)
	fmt.Println(rgb)
	// Output:
	// [254 0 0 0 255 1 0 0 254]
}
