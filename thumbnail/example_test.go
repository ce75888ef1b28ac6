package thumbnail_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sluice/thumbnail"
)

func ExampleMake() {
	f, err := os.Open("../testdata/images/orientation-6-turned-left.jpg")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	sizes, err := thumbnail.ParseSizes("200x200, 64x64:fill, 64x64:fill:topleft, 100x100:pad:ffffff, 120x120:sharpen")
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := thumbnail.Make(context.Background(), f, thumbnail.Options{Sizes: sizes})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %dx%d\n", res.Format, res.Width, res.Height)
	for _, t := range res.Thumbnails {
		fmt.Printf("%s: %dx%d %s\n", t.Size.Name(), t.Width, t.Height, t.ContentType)
	}
	// Output:
	// JPEG 480x320
	// 200x200: 200x133 image/jpeg
	// 64x64-fill: 64x64 image/jpeg
	// 64x64-fill-topleft: 64x64 image/jpeg
	// 100x100-pad-ffffff: 100x100 image/jpeg
	// 120x120-sharpen: 120x80 image/jpeg
}

// A caller that makes thumbnails in parallel reads the cost of each picture
// before decoding it.
func ExampleOpen() {
	f, err := os.Open("../testdata/images/transparent.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	p, err := thumbnail.Open(f, thumbnail.Options{Sizes: []thumbnail.Size{{Width: 100, Height: 100}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Format(), p.Width(), p.Height(), p.Cost() < 10<<20)
	// A real caller acquires p.Cost() bytes of a semaphore here.
	res, err := p.Thumbnails(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Thumbnails[0].ContentType)
	// Output:
	// PNG 480 320 true
	// image/png
}

// Errors of the package's three types are final: retrying does not help.
func ExampleUnsupportedError() {
	_, err := thumbnail.Make(context.Background(), strings.NewReader("%PDF-1.7 and more"), thumbnail.Options{
		Sizes: []thumbnail.Size{{Width: 100, Height: 100}},
	})
	if unsupported, ok := errors.AsType[*thumbnail.UnsupportedError](err); ok {
		fmt.Println(unsupported.Format)
		fmt.Println(err)
	}
	// Output:
	// PDF
	// PDF is not supported: use JPEG, PNG, GIF or WebP
}

func ExampleParseSize() {
	for _, form := range []string{"320x180:fill", "320x180:fill:top:sharpen", "320x180:pad:FFFFFF"} {
		s, err := thumbnail.ParseSize(form)
		fmt.Println(s.Width, s.Height, s.Fill, s.Pad, s.Name(), err)
	}
	_, err := thumbnail.ParseSize("320x180:crop")
	problem, _, _ := strings.Cut(err.Error(), ": want ") // the accepted forms follow
	fmt.Println(problem)
	// Output:
	// 320 180 true false 320x180-fill <nil>
	// 320 180 true false 320x180-fill-top-sharpen <nil>
	// 320 180 false true 320x180-pad-ffffff <nil>
	// size "320x180:crop": "crop" cannot stand here
}
