package thumbnail

import (
	"bufio"
	"errors"
	"fmt"

	"sluice/thumbnail/scaledjpeg"

	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"
)

// openJPEG reads up to the first scan. The decoder goes on from there at the scale that the sizes allow.
func openJPEG(r *bufio.Reader, o *Options) (*header, error) {
	decoder := o.Pool.getJPEG()
	hdr, err := decoder.ReadHeader(r)
	if err != nil {
		o.Pool.putJPEG(decoder)
		return nil, jpegError(err)
	}
	h := &header{
		width:       hdr.Width,
		height:      hdr.Height,
		orientation: exif.Parse(hdr.EXIF),
		profile:     hdr.ICC,
		lateHeight:  hdr.Height == 0,
	}
	h.memory = func(ratio float64) int64 { return hdr.MemoryBytes(jpegOptions(&hdr, o, ratio, true)) }
	h.decode = func(ratio float64) (*raster.Raster, error) {
		whole := h.wholeChroma || hdr.ColorModel == scaledjpeg.YCbCr && h.transform(raster.YCC) != nil
		img, err := decoder.Decode(jpegOptions(&hdr, o, ratio, whole))
		if err != nil {
			o.Pool.putJPEG(decoder)
			return nil, jpegError(err)
		}
		h.width, h.height = img.Width, img.Height
		h.decoder = decoder
		return jpegRaster(img), nil
	}
	return h, nil
}

// blockTolerance is what coefficients of progressive pictures may be uncertain by at 1/4 and above. A 24 megapixel picture of quality 90 to 600
// pixels takes 66 ms instead of 175, and has 55.2 dB instead of 55.7. At 1/2, where less is averaged away, 4 dB would go for a fifth
// of the time.
const blockTolerance = 8

// jpegOptions is how a picture is decoded for thumbnails that take ratio pixels for one of theirs, and chroma for each pixel
// (whole) or for two by two.
func jpegOptions(hdr *scaledjpeg.Header, o *Options, ratio float64, whole bool) scaledjpeg.Options {
	scale := jpegScale(ratio, hdr.Width, hdr.Height)
	tolerance := 0
	if scale >= 4 {
		tolerance = blockTolerance
	}
	return scaledjpeg.Options{
		Scale: scale, FineChroma: whole && ratio/float64(scale) < fineChroma, Tolerance: tolerance,
		MaxPixels: o.MaxPixels, MaxBytes: o.MemoryBytes,
		Strict: true, // a damaged picture is refused: what lies behind the damage is not worth its time
	}
}

// fineChroma is how many luma samples a picture with chroma for each pixel must take for one, at least, to be content with chroma of half as
// many. For fewer, 6 dB are worth a third of the time: 8 megapixels to 200 pixels, 2.4 samples, go from 49.6 dB in 5.3 ms to 55.8 in 6.9.
// A 4:2:0 thumbnail, which is what a photograph becomes, has its two samples for each of chroma's anyway.
const fineChroma = 3

// jpegScale is the largest of the decoder's scales that leaves enough for the filter.
//
// Enough is twice the thumbnail's pixels, or nearly so: 800 of 6000 are 1.9 times at 1/4, which costs half of 1/2, and
// the 46 dB that remain are far above what JPEG's quality 80 leaves. Medium pictures, where the next finer scale is
// cheap in milliseconds, get it, for 2 to 4 dB; large ones take 1/8 twice as fast as 1/4.
func jpegScale(ratio float64, w, h int) int {
	const (
		enough     = 1.8
		plenty     = 4
		littleWork = 600_000
	)
	pixels := w * h
	for _, scale := range []int{8, 4, 2} {
		if ratio/float64(scale) < enough {
			continue
		}
		medium := pixels >= 1_000_000 && pixels < 8_000_000
		if medium && ratio/float64(scale) < plenty && pixels/(scale*scale/4) <= littleWork {
			scale /= 2
		}
		return scale
	}
	return 1
}

// jpegRaster takes over the decoder's planes. Inks are stored inverted where Adobe wrote them.
func jpegRaster(img *scaledjpeg.Image) *raster.Raster {
	r := &raster.Raster{Model: map[scaledjpeg.ColorModel]raster.Model{
		scaledjpeg.Gray: raster.Grey, scaledjpeg.YCbCr: raster.YCC, scaledjpeg.RGB: raster.RGB,
		scaledjpeg.CMYK: raster.CMYK, scaledjpeg.YCCK: raster.YCCK,
	}[img.ColorModel]}
	r.InvertedInk, r.Droop = img.Inverted, img.Planes[0].Droop
	for i, p := range img.Planes {
		r.Planes = append(r.Planes, raster.Plane{Pix: p.Pix, Stride: p.Stride, W: p.W, H: p.H, ExtentW: p.ExtentW, ExtentH: p.ExtentH})
		r.ExtraDroop[i] = p.Droop - r.Droop
	}
	return r
}

// jpegError says in our words what the decoder found.
func jpegError(err error) error {
	if limit, ok := errors.AsType[*scaledjpeg.LimitError](err); ok {
		switch limit.Setting {
		case "MaxPixels":
			return &TooLargeError{What: "pixels", Got: limit.Need, Limit: limit.Limit, Setting: "MaxPixels", Detail: "the JPEG"}
		case "MaxBytes":
			return &TooLargeError{What: "memory bytes", Got: limit.Need, Limit: limit.Limit, Setting: "MemoryBytes", Detail: "the JPEG"}
		}
		return &CorruptError{Format: formatJPEG, Reason: fmt.Sprintf("JPEG is built to waste time: %s is %d, at most %d are read", limit.Setting, limit.Need, limit.Limit)}
	}
	var detail string
	if e, ok := errors.AsType[*scaledjpeg.Error](err); ok {
		detail = e.Detail
	}
	switch {
	case errors.Is(err, scaledjpeg.ErrUnsupported):
		return &UnsupportedError{Format: formatJPEG, Reason: detail}
	case errors.Is(err, scaledjpeg.ErrTruncated):
		return &CorruptError{Format: formatJPEG, Reason: "JPEG data ends early", Err: err}
	}
	return &CorruptError{Format: formatJPEG, Reason: "JPEG data is damaged", Err: err}
}
