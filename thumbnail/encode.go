package thumbnail

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
)

// encoderFor chooses one format for all thumbnails of a picture: PNG when any of them has a pixel
// that is not opaque, else JPEG. An alpha channel that is opaque everywhere does not count.
func encoderFor(source image.Image, small []*image.NRGBA, quality int) func(*image.NRGBA) (Thumbnail, error) {
	for _, img := range small {
		if !img.Opaque() {
			return encodePNG
		}
	}
	grey := false
	switch source.(type) {
	case *image.Gray, *image.Gray16:
		grey = true
	}
	return func(img *image.NRGBA) (Thumbnail, error) { return encodeJPEG(img, grey, quality) }
}

func encodePNG(img *image.NRGBA) (Thumbnail, error) {
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&buf, img); err != nil {
		return Thumbnail{}, err
	}
	return encoded(img, "image/png", "png", buf.Bytes()), nil
}

func encodeJPEG(img *image.NRGBA, grey bool, quality int) (Thumbnail, error) {
	// Opaque pixels are the same bytes in RGBA, for which image/jpeg has a fast path.
	var opaque image.Image = &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
	if grey {
		opaque = red(img)
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, opaque, &jpeg.Options{Quality: quality}); err != nil {
		return Thumbnail{}, err
	}
	return encoded(img, "image/jpeg", "jpg", buf.Bytes()), nil
}

// red takes one of three equal channels.
func red(img *image.NRGBA) *image.Gray {
	out := image.NewGray(img.Rect)
	for i := range out.Pix {
		out.Pix[i] = img.Pix[4*i]
	}
	return out
}

func encoded(img image.Image, contentType, ext string, data []byte) Thumbnail {
	b := img.Bounds()
	return Thumbnail{Width: b.Dx(), Height: b.Dy(), ContentType: contentType, Ext: ext, Data: data}
}
