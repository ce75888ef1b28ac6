package testpicture

import (
	"image"
	"image/color"
)

// MeanDifference is the mean over pixels and channels, in 8-bit steps. A
// difference of size counts as 255. Colours count by their opacity.
func MeanDifference(a, b image.Image) float64 {
	ra, rb := a.Bounds(), b.Bounds()
	if ra.Size() != rb.Size() {
		return 255
	}
	var sum float64
	for y := range ra.Dy() {
		for x := range ra.Dx() {
			c := color.RGBAModel.Convert(a.At(ra.Min.X+x, ra.Min.Y+y)).(color.RGBA)
			d := color.RGBAModel.Convert(b.At(rb.Min.X+x, rb.Min.Y+y)).(color.RGBA)
			sum += AbsDiff(c.R, d.R) + AbsDiff(c.G, d.G) + AbsDiff(c.B, d.B) + AbsDiff(c.A, d.A)
		}
	}
	return sum / float64(4*ra.Dx()*ra.Dy())
}

// AbsDiff is |a - b|.
func AbsDiff(a, b uint8) float64 { return float64(max(a, b) - min(a, b)) }

// Near reports whether each channel of c is within tolerance of want.
func Near(c color.Color, want color.NRGBA, tolerance float64) bool {
	got := color.NRGBAModel.Convert(c).(color.NRGBA)
	return AbsDiff(got.R, want.R) <= tolerance && AbsDiff(got.G, want.G) <= tolerance &&
		AbsDiff(got.B, want.B) <= tolerance && AbsDiff(got.A, want.A) <= tolerance
}
