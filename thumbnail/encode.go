package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"sluice/thumbnail/internal/jpegenc"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/colour"
)

// QualityOf is the quality that a JPEG of w x h gets where none is asked for:
// the one at which thumbnails of photographs are as like the picture before
// encoding as those of 200 pixels at 80 are, which is the quality of other
// tools for all sizes. Small ones and large ones need less.
//
//	side  quality  SSIM   bits a pixel (at 80)
//	  64       77  0.965  3.4 (3.6)
//	 200       80  0.963  1.9
//	 800       80  0.965  1.2
//	1600       75  0.965  0.9 (1.0)
func QualityOf(w, h int) int {
	switch side := max(w, h); {
	case side <= 100:
		return 77
	case side <= 1000:
		return 80
	}
	return 75
}

// encodeJPEG encodes an opaque thumbnail. What its planes hold may be
// multiplied by an alpha of 255.
func encodeJPEG(s *small, quality int) Thumbnail {
	p := &jpegenc.Picture{W: s.w, H: s.h, Planes: s.planes, Halved: s.halved}
	switch {
	case s.model != raster.RGB:
	case colour.IsHard(s.planes, s.w, s.h):
		p.Planes = colour.FullYCC(s.planes)
	default:
		p.Planes, p.Halved = colour.HalvedYCC(s.planes, s.w, s.h), true
	}
	return Thumbnail{Size: s.size, Width: s.w, Height: s.h, ContentType: "image/jpeg", Ext: "jpg", Data: jpegenc.Encode(p, quality)}
}

// encodePNG encodes a transparent thumbnail. One that has at most 256 colours
// gets a palette, if that is smaller.
func encodePNG(s *small, work *pngBuffer) (Thumbnail, error) {
	img := s.nrgba()
	data, err := compressPNG(img, work)
	if err != nil {
		return Thumbnail{}, err
	}
	if indexed := withPalette(img); indexed != nil {
		shorter, err := compressPNG(indexed, work)
		if err != nil {
			return Thumbnail{}, err
		}
		if len(shorter) < len(data) {
			data = shorter
		}
	}
	return Thumbnail{Size: s.size, Width: s.w, Height: s.h, ContentType: "image/png", Ext: "png", Data: data}, nil
}

// pngBuffer keeps the encoder's working memory, a megabyte, for the next
// picture. Not safe for concurrent use.
type pngBuffer struct{ b *png.EncoderBuffer }

func (w *pngBuffer) Get() *png.EncoderBuffer  { return w.b }
func (w *pngBuffer) Put(b *png.EncoderBuffer) { w.b = b }

func compressPNG(img image.Image, work *pngBuffer) ([]byte, error) {
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression, BufferPool: work}
	err := enc.Encode(&buf, img)
	return buf.Bytes(), err
}

// image returns a thumbnail that has its chroma at full size.
func (s *small) image() image.Image {
	if s.model == raster.Grey && s.alpha == nil {
		return &image.Gray{Pix: s.planes[0], Stride: s.w, Rect: image.Rect(0, 0, s.w, s.h)}
	}
	return s.nrgba()
}

// nrgba divides the colours by alpha again.
func (s *small) nrgba() *image.NRGBA {
	if s.img != nil {
		return s.img
	}
	img := image.NewNRGBA(image.Rect(0, 0, s.w, s.h))
	red := s.planes[0]
	green, blue := red, red
	if s.model == raster.RGB {
		green, blue = s.planes[1], s.planes[2]
	}
	for i := range red {
		a := byte(255)
		if s.alpha != nil {
			a = s.alpha[i]
		}
		if a == 0 {
			continue
		}
		p := img.Pix[4*i : 4*i+4 : 4*i+4]
		p[0], p[1], p[2], p[3] = raster.Unscale(red[i], a), raster.Unscale(green[i], a), raster.Unscale(blue[i], a), a
	}
	return img
}

// withPalette returns the same picture with a palette, or nil when it has more
// than 256 colours.
func withPalette(img *image.NRGBA) *image.Paletted {
	out := image.NewPaletted(img.Rect, nil)
	index := map[color.NRGBA]uint8{}
	for i := range out.Pix {
		p := img.Pix[4*i : 4*i+4]
		c := color.NRGBA{p[0], p[1], p[2], p[3]}
		n, known := index[c]
		if !known {
			if len(index) == 256 {
				return nil
			}
			n = uint8(len(index))
			index[c] = n
			out.Palette = append(out.Palette, c)
		}
		out.Pix[i] = n
	}
	return out
}
