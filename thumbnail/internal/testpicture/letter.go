package testpicture

import (
	"image"
	"image/color"
	"image/draw"
)

// The colours of [Letter]. Its corners show its orientation.
var (
	TopLeft     = color.NRGBA{220, 40, 40, 255}
	TopRight    = color.NRGBA{40, 180, 60, 255}
	BottomLeft  = color.NRGBA{40, 70, 220, 255}
	BottomRight = color.NRGBA{240, 210, 40, 255}
	Paper       = color.NRGBA{235, 235, 230, 255}
	Ink         = color.NRGBA{30, 30, 35, 255}
)

// The size of [Letter].
const LetterWidth, LetterHeight = 480, 320

// Letter draws the letter F, which no turn or mirror maps to itself, between
// four coloured corners.
func Letter(background color.NRGBA) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, LetterWidth, LetterHeight))
	fill := func(x, y, w, h int, c color.Color) {
		draw.Draw(img, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
	}
	fill(0, 0, LetterWidth, LetterHeight, background)
	fill(0, 0, 96, 80, TopLeft)
	fill(LetterWidth-96, 0, 96, 80, TopRight)
	fill(0, LetterHeight-80, 96, 80, BottomLeft)
	fill(LetterWidth-96, LetterHeight-80, 96, 80, BottomRight)
	fill(176, 48, 48, 224, Ink)
	fill(176, 48, 144, 48, Ink)
	fill(176, 136, 104, 48, Ink)
	return img
}

// Turned returns the pixels that a camera held in that EXIF orientation stores
// for an upright picture.
func Turned(img image.Image, orientation int) *image.NRGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	at := [...]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return w - 1 - y, x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return y, h - 1 - x },
	}[orientation]
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	for y := range sh {
		for x := range sw {
			ux, uy := at(x, y)
			out.Set(x, y, img.At(b.Min.X+ux, b.Min.Y+uy))
		}
	}
	return out
}

// Opaque returns the picture in a type that encoders store without alpha.
func Opaque(img *image.NRGBA) *image.RGBA {
	return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
}
