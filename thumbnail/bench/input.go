package main

import (
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"sluice/thumbnail/internal/testpicture"
)

// input is a picture to measure on.
type input struct {
	name string
	file string
	size int
	n    int    // thumbnails in a round
	why  string // why it is missing, "" when it is present
}

// photograph returns the path of a photograph. Where it is absent, the path is
// that of a generated picture with the statistics of a photograph, in the work
// folder.
func (b *bench) photograph(name string) string {
	file := filepath.Join(b.photos, name)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	p, ok := madePhotographs[name]
	if !ok {
		return file
	}
	in := b.made(name, "made-"+name, 0, 0, func(out string) error {
		return os.WriteFile(out, testpicture.JPEG(testpicture.Camera(p.w, p.h, 1), p.o), 0o644)
	})
	return in.file
}

// madePhotographs are the generated pictures that replace absent photographs.
var madePhotographs = map[string]struct {
	w, h int
	o    testpicture.JPEGOptions
}{
	"camera-24mp-baseline.jpg":    {6000, 4000, testpicture.JPEGOptions{}},
	"camera-24mp-progressive.jpg": {6000, 4000, testpicture.JPEGOptions{Progressive: true}},
	"low-contrast.jpg":            {300, 245, testpicture.JPEGOptions{}},
}

// inputs returns the pictures and generates the missing ones.
func (b *bench) inputs() []input {
	camera := b.photograph("camera-24mp-baseline.jpg")
	list := []input{
		b.made("baseline 1 MP", "1mp.jpg", 200, 30, func(out string) error { return b.tile(out, 1200, 832) }),
		{name: "baseline 24 MP", file: camera, size: 200, n: 4},
		{name: "progressive 24 MP", file: b.photograph("camera-24mp-progressive.jpg"), size: 200, n: 3},
		b.made("24 MP 4:4:4", "24mp-444.jpg", 200, 3, b.convert(camera, "quality=90, subsampling=0")),
		{name: "24 MP to 800", file: camera, size: 800, n: 4},
		b.made("baseline 12 MP", "12mp.jpg", 200, 6, func(out string) error { return b.tile(out, 4000, 3000) }),
		b.made("baseline 100 MP", "100mp.jpg", 200, 4, func(out string) error { return b.tile(out, 12000, 8400) }),
		b.made("progressive 100 MP", "100mp-progressive.jpg", 200, 2, b.convert("100mp.jpg", "progressive=True, quality=90")),
		b.made("280 MP flat JPEG", "280mp-flat.jpg", 200, 1, flat),
		b.made("PNG 24 MP", "24mp.png", 200, 1, b.toPNG),
		b.made("WebP 12 MP", "12mp.webp", 200, 3, b.convert("12mp.jpg", "quality=80")),
		{name: "small 0.07 MP", file: b.photograph("low-contrast.jpg"), size: 200, n: 40},
		{name: "small 0.15 MP", file: "testdata/images/orientation-1-upright.jpg", size: 200, n: 40},
	}
	for i := range list {
		if list[i].why != "" {
			continue
		}
		if abs, err := filepath.Abs(list[i].file); err == nil {
			list[i].file = abs
		}
		if _, err := os.Stat(list[i].file); err != nil {
			list[i].why = err.Error()
		}
	}
	return list
}

// made returns an input of the work folder and generates it if it is missing.
func (b *bench) made(name, file string, size, n int, create func(string) error) input {
	in := input{name: name, file: filepath.Join(b.dir, file), size: size, n: n}
	if _, err := os.Stat(in.file); err == nil || size > 0 && !strings.Contains(name, b.only) {
		return in
	}
	// Written under another name and renamed, so that later runs never measure
	// a half-written picture.
	half := filepath.Join(b.dir, "half-"+file)
	defer os.Remove(half)
	if err := create(half); err != nil {
		in.why = firstLine(err)
	} else if err := os.Rename(half, in.file); err != nil {
		in.why = err.Error()
	}
	return in
}

func readJPEG(file string) (*image.YCbCr, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := jpeg.Decode(f)
	if err != nil {
		return nil, err
	}
	ycc, ok := img.(*image.YCbCr)
	if !ok {
		return nil, fmt.Errorf("%s is %T", file, img)
	}
	return ycc, nil
}

// tile writes a JPEG of w x h, 4:2:0, with copies of the 24 MP photograph.
func (b *bench) tile(out string, w, h int) (err error) {
	src, err := readJPEG(b.photograph("camera-24mp-baseline.jpg"))
	if err != nil {
		return err
	}
	dst := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	fill(dst.Y, dst.YStride, w, h, src.Y, src.YStride, src.Rect.Dx(), src.Rect.Dy())
	fill(dst.Cb, dst.CStride, w/2, h/2, src.Cb, src.CStride, src.Rect.Dx()/2, src.Rect.Dy()/2)
	fill(dst.Cr, dst.CStride, w/2, h/2, src.Cr, src.CStride, src.Rect.Dx()/2, src.Rect.Dy()/2)
	return write(out, func(f *os.File) error { return jpeg.Encode(f, dst, &jpeg.Options{Quality: 90}) })
}

// flat writes 280 megapixels of one colour, 4:2:0: a file of some megabytes.
func flat(out string) error {
	img := image.NewYCbCr(image.Rect(0, 0, 20000, 14000), image.YCbCrSubsampleRatio420)
	return write(out, func(f *os.File) error { return jpeg.Encode(f, img, &jpeg.Options{Quality: 90}) })
}

// fill repeats a plane.
func fill(dst []byte, stride, w, h int, src []byte, srcStride, srcW, srcH int) {
	for y := range h {
		row := dst[y*stride : y*stride+w]
		from := src[y%srcH*srcStride:]
		for x := 0; x < w; x += srcW {
			copy(row[x:], from[:srcW])
		}
	}
}

func (b *bench) toPNG(out string) error {
	src, err := readJPEG(b.photograph("camera-24mp-baseline.jpg"))
	if err != nil {
		return err
	}
	rgb := image.NewRGBA(src.Rect) // opaque: stored as RGB
	for y := range rgb.Rect.Dy() {
		for x := range rgb.Rect.Dx() {
			c := src.YCbCrAt(x, y)
			r, g, b, _ := c.RGBA()
			copy(rgb.Pix[rgb.PixOffset(x, y):], []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8), 255})
		}
	}
	return write(out, func(f *os.File) error { return png.Encode(f, rgb) })
}

// convert writes the formats that the standard library cannot write, by Pillow.
func (b *bench) convert(from, options string) func(string) error {
	return func(out string) error {
		format := map[string]string{".jpg": "JPEG", ".webp": "WEBP"}[filepath.Ext(out)]
		return run(b.dir, "python3", "-c", fmt.Sprintf(
			"from PIL import Image; Image.MAX_IMAGE_PIXELS=None; Image.open(%q).save(%q, %q, %s)", from, out, format, options))
	}
}

func write(out string, encode func(*os.File) error) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(encode(f), f.Close())
}
