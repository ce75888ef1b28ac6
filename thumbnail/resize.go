package thumbnail

import (
	"image"
	"image/draw"
	"math"

	"github.com/disintegration/imaging"
)

// resize makes one size of a decoded picture.
//
// imaging works in goroutines of its own, where a panic ends the process. It gets only sizes of at least 1 and
// pictures that plain has seen.
func resize(img image.Image, s Size) *image.NRGBA {
	b := img.Bounds()
	tw, th := s.of(b.Dx(), b.Dy())
	if s.Fill {
		x, y, cw, ch := s.crop(b.Dx(), b.Dy(), tw, th)
		x0, y0 := int(math.Round(x)), int(math.Round(y))
		part := image.Rect(x0, y0, x0+max(1, int(math.Round(cw))), y0+max(1, int(math.Round(ch))))
		img = img.(interface {
			SubImage(image.Rectangle) image.Image
		}).SubImage(part.Add(b.Min).Intersect(b))
	}
	return imaging.Resize(img, tw, th, imaging.Lanczos)
}

// plain gives a picture of a type that imaging reads without calling back into it. Others (palettes, whose
// indices might lie outside, and CMYK) are converted here, where a panic is recovered.
func plain(img image.Image) image.Image {
	switch img.(type) {
	case *image.YCbCr, *image.Gray, *image.Gray16, *image.RGBA, *image.RGBA64, *image.NRGBA, *image.NRGBA64:
		return img
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

// resizeBytes bounds what resize allocates: the first pass keeps all rows at the new width; filter weights take 16 bytes for each of
// 6 neighbours along a side, which matters only for pictures of millions of pixels by one.
func (p *Picture) resizeBytes() int64 {
	w, h := int64(p.header.width), int64(p.header.height)
	var most, kept int64
	for _, s := range p.o.Sizes {
		s = p.header.orientation.stored(s)
		tw, th := s.of(int(w), int(h))
		if s.Fill {
			tw, th = min(s.Width, int(w)), min(s.Height, int(h))
		}
		most = max(most, 4*int64(tw)*h+96*max(w, h))
		kept += 4 * int64(tw) * int64(th)
	}
	return max(1, most+2*kept)
}
