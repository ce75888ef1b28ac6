// Package finish crops, sharpens and pads a picture that is reduced already,
// with github.com/disintegration/imaging. It sees pixels of this module only:
// imaging's decoders are never called.
//
// Crop cuts a box at one of nine anchors: the three positions along each side
// are 0, (W-w)/2 and W-w pixels from the left, and likewise from the top.
//
// Sharpen is an unsharp mask: with G the Gaussian of standard deviation sigma,
//
//	out = in + (in - G*in)
//
// Pad draws the picture over the middle of a box of one colour c. A pixel of
// opacity a becomes a·in + (1-a)·c.
package finish

import (
	"image"
	"image/color"

	"github.com/disintegration/imaging"
)

// anchors are imaging's, by the name of the gravity.
var anchors = map[string]imaging.Anchor{
	"center":      imaging.Center,
	"topleft":     imaging.TopLeft,
	"top":         imaging.Top,
	"topright":    imaging.TopRight,
	"left":        imaging.Left,
	"right":       imaging.Right,
	"bottomleft":  imaging.BottomLeft,
	"bottom":      imaging.Bottom,
	"bottomright": imaging.BottomRight,
}

// IsGravity reports whether Crop knows the name.
func IsGravity(name string) bool {
	_, ok := anchors[name]
	return ok
}

// Crop returns the w x h pixels at the gravity, one of imaging's nine anchors
// in lower case. A picture that is smaller stays as it is.
func Crop(img *image.NRGBA, w, h int, gravity string) *image.NRGBA {
	return imaging.CropAnchor(img, w, h, anchors[gravity])
}

// sigma is that of the Gaussian, in pixels: it acts on edges of one pixel,
// which is what resizing softens.
const sigma = 0.5

// Sharpen raises the contrast of the finest detail.
func Sharpen(img *image.NRGBA) *image.NRGBA { return imaging.Sharpen(img, sigma) }

// Pad returns a box of w x h with the picture in the middle. Transparent parts
// of the picture show the background.
func Pad(img *image.NRGBA, w, h int, background color.NRGBA) *image.NRGBA {
	box := imaging.New(w, h, background)
	if background.A == 0 {
		return imaging.PasteCenter(box, img)
	}
	return imaging.OverlayCenter(box, img, 1)
}
