package thumbnail

import (
	"image"
	"image/color"
	"strconv"

	"sluice/thumbnail/internal/finish"
	"sluice/thumbnail/internal/raster"
)

// finish crops and sharpens a reduced picture as its size asks. Padding follows
// when the format is known, see padded.
func (s *small) finish() {
	if s.size.Gravity != "" {
		w, h := s.size.fitted(s.fullW, s.fullH)
		s.setImage(finish.Crop(s.nrgba(), w, h, string(s.size.Gravity)))
	}
	if s.size.Sharpen {
		s.setImage(finish.Sharpen(s.nrgba()))
	}
}

// padded returns the picture in its padded box, or s itself where its size asks
// for none. The border of a size without a colour is white where opaque is set,
// else transparent.
func (s *small) padded(opaque bool) *small {
	if !s.size.Pad {
		return s
	}
	background := color.NRGBA{}
	switch {
	case s.size.Background != "":
		rgb, _ := strconv.ParseUint(s.size.Background, 16, 32)
		background = color.NRGBA{byte(rgb >> 16), byte(rgb >> 8), byte(rgb), 255}
	case opaque:
		background = color.NRGBA{255, 255, 255, 255}
	}
	out := &small{size: s.size, model: s.model}
	out.setImage(finish.Pad(s.nrgba(), s.size.Width, s.size.Height, background))
	return out
}

// setImage replaces the pixels. Grey stays grey as long as it is.
func (s *small) setImage(img *image.NRGBA) {
	s.img, s.w, s.h, s.halved, s.alpha = img, img.Rect.Dx(), img.Rect.Dy(), false, nil
	if s.model == raster.Grey && !isGrey(img) {
		s.model = raster.RGB
	}
	channels := 3
	if s.model == raster.Grey {
		channels = 1
	}
	s.planes = make([][]byte, channels)
	for c := range s.planes {
		s.planes[c] = channelOf(img, c)
	}
	for i := 3; i < len(img.Pix); i += 4 {
		if img.Pix[i] != 255 {
			s.alpha = channelOf(img, 3)
			return
		}
	}
}

func isGrey(img *image.NRGBA) bool {
	for i := 0; i < len(img.Pix); i += 4 {
		if p := img.Pix[i : i+4 : i+4]; p[0] != p[1] || p[1] != p[2] {
			return false
		}
	}
	return true
}

func channelOf(img *image.NRGBA, c int) []byte {
	out := make([]byte, len(img.Pix)/4)
	for i := range out {
		out[i] = img.Pix[4*i+c]
	}
	return out
}

// finishBytes bounds the allocations for the size of a picture of w x h: the
// pixels with four channels while they are cropped, sharpened and copied, the
// planes taken from them, and the padded box.
func (s Size) finishBytes(w, h int) int64 {
	if !s.finished() {
		return 0
	}
	tw, th := s.reduced(w, h)
	n := raster.MulBytes(int64(tw), int64(th)) * 48
	if s.Pad {
		n += 48 * int64(s.Width) * int64(s.Height)
	}
	return n + 64<<10
}
