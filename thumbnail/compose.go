package thumbnail

import (
	"image"

	"sluice/thumbnail/internal/exif"
	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/colour"

	"sluice/thumbnail/internal/resample"

	"sluice/thumbnail/internal/icc"

	"sluice/thumbnail/internal/smartcrop"
)

// small is one thumbnail's pixels, upright.
type small struct {
	size   Size
	w, h   int
	model  raster.Model // modelGrey, modelYCC or modelRGB
	planes [][]byte     // w*h each, but chroma of (w+1)/2 * (h+1)/2 when halved
	halved bool
	alpha  []byte // nil for none; else the planes are multiplied by it
	// img, if it is not nil, has the pixels of a finished picture. The planes
	// are not multiplied by alpha then.
	img          *image.NRGBA
	fullW, fullH int // of the picture, upright
}

// composer makes thumbnails of one raster. Orientation is part of resampling: a
// mirrored side is an axis that runs backwards, and only a quarter turn moves
// pixels, those of the thumbnail.
type composer struct {
	raster        *raster.Raster
	width, height int // of the picture as stored
	orientation   exif.Orientation
	convert       *icc.Transform      // nil when colours are sRGB already
	whole         bool                // chroma at full size, for pictures that are not encoded
	smart         bool                // filled boxes show the most interesting part
	interest      *smartcrop.Interest // found when first wanted
	resampler     resample.Resampler
}

// make makes the thumbnail of one size.
func (c *composer) make(s Size) *small {
	stored := s.turned(c.orientation)
	tw, th := stored.reduced(c.width, c.height)
	x, y, cw, ch := stored.crop(c.width, c.height, tw, th)
	if c.smart && s.Fill && s.Gravity == "" {
		if c.interest == nil {
			c.interest = c.lookForInterest()
		}
		x, y = c.interest.Place(x, y, cw, ch, c.width, c.height)
	}
	part := region{x: x, y: y, w: cw, h: ch, tw: tw, th: th}

	scale := c.raster.Planes[0].ExtentW / float64(c.width)
	r := c.raster.Level(scale * min(cw/float64(tw), ch/float64(th)))
	out := &small{size: s, model: r.Model}
	out.w, out.h = c.orientation.Upright(tw, th)
	// Luma and chroma go to the encoder as they are, unless a profile needs
	// colours, or the encoder is to decide whether half of the chroma will do.
	out.halved = r.Model == raster.YCC && c.convert == nil && r.Alpha == nil && !c.whole && !s.finished() && !colour.HasHardSteps(r)
	light := 0 // planes that hold luma and chroma to be converted
	if !out.halved && (r.Model == raster.YCC || r.Model == raster.YCCK) {
		light = 3
		out.planes = c.colours(r, part)
	}
	for i := range r.Planes[light:] {
		i += light
		out.planes = append(out.planes, c.plane(&r.Planes[i], part, out.halved && i > 0, r.Droop+r.ExtraDroop[i]))
	}
	if r.Alpha != nil {
		out.alpha = c.plane(r.Alpha, part, false, r.Droop)
	}
	if !out.halved {
		out.toDisplay(c.convert, r.InvertedInk)
	}
	out.fullW, out.fullH = c.orientation.Upright(c.width, c.height)
	out.finish()
	return out
}

// lookForInterest measures a small form of the whole picture, as it is stored.
func (c *composer) lookForInterest() *smartcrop.Interest {
	look := &composer{raster: c.raster, width: c.width, height: c.height, convert: c.convert, whole: true}
	s := look.make(Size{Width: smartcrop.Side, Height: smartcrop.Side})
	return smartcrop.Find(s.planes, s.alpha, s.w, s.h)
}

// region is the part of the stored picture that a thumbnail shows, and the
// thumbnail's size before a quarter turn.
type region struct {
	x, y, w, h float64
	tw, th     int
}

// plane resamples one plane, to half the size for chroma.
func (c *composer) plane(p *raster.Plane, part region, halved bool, droop float64) []byte {
	columns, rows := c.spans(p, part, halved, droop)
	out := make([]byte, columns.N*rows.N)
	c.resampler.Resample(out, columns.N, rows.N, p, resample.NewAxis(columns), resample.NewAxis(rows))
	if _, _, transpose := c.orientation.Flips(); transpose {
		return transposed(out, columns.N, rows.N)
	}
	return out
}

// colours resamples luma and chroma and turns them into red, green and blue.
func (c *composer) colours(r *raster.Raster, part region) [][]byte {
	var fine [3][]int16
	var columns, rows resample.Span
	for i := range fine {
		columns, rows = c.spans(&r.Planes[i], part, false, r.Droop+r.ExtraDroop[i])
		fine[i] = make([]int16, columns.N*rows.N)
		c.resampler.ResampleFine(fine[i], columns.N, rows.N, &r.Planes[i], resample.NewAxis(columns), resample.NewAxis(rows))
	}
	out := make([][]byte, 3)
	for i := range out {
		out[i] = make([]byte, columns.N*rows.N)
	}
	for i := range fine[0] {
		out[0][i], out[1][i], out[2][i] = colour.FineToRGB(fine[0][i], fine[1][i], fine[2][i])
	}
	if _, _, transpose := c.orientation.Flips(); transpose {
		for i := range out {
			out[i] = transposed(out[i], columns.N, rows.N)
		}
	}
	return out
}

func (c *composer) spans(p *raster.Plane, part region, halved bool, droop float64) (columns, rows resample.Span) {
	flipX, flipY, _ := c.orientation.Flips()
	columns = sideSpan(part.x, part.w, part.tw, halved, p.ExtentW/float64(c.width), p.W, flipX)
	rows = sideSpan(part.y, part.h, part.th, halved, p.ExtentH/float64(c.height), p.H, flipY)
	columns.Droop, rows.Droop = droop, droop
	return columns, rows
}

// sideSpan returns the span of one side: n pixels show the part of the picture
// from at on, extent long, in samples of a plane that has scale samples for a
// pixel of the picture.
func sideSpan(at, extent float64, n int, halved bool, scale float64, size int, flip bool) resample.Span {
	s := resample.Span{N: n, Offset: at * scale, Step: extent * scale / float64(n), Size: size, Flip: flip}
	if halved {
		// With an odd n the last chroma sample lies half beyond the end, which
		// is the near end when the side runs backwards.
		s.N, s.Step = (n+1)/2, 2*s.Step
		if flip {
			s.Offset += extent*scale - float64(s.N)*s.Step
		}
	}
	return s
}

// transposed exchanges the sides of w x h samples.
func transposed(pix []byte, w, h int) []byte {
	out := make([]byte, len(pix))
	for y := range h {
		for x, v := range pix[y*w : (y+1)*w] {
			out[x*h+y] = v
		}
	}
	return out
}

// opaque reports whether every pixel is opaque.
func (s *small) opaque() bool {
	for _, a := range s.alpha {
		if a != 255 {
			return false
		}
	}
	return true
}

// toDisplay turns any model into grey or RGB in sRGB. Luma and chroma have been
// converted before.
func (s *small) toDisplay(convert *icc.Transform, invertedInk bool) {
	switch s.model {
	case raster.YCC:
		s.model = raster.RGB
	case raster.YCCK:
		// The conversion of YCC yields light, 255 - ink; with inverted inks it
		// yields ink.
		s.model = raster.CMYK
		if invertedInk {
			invert(s.planes[3:])
		} else {
			invert(s.planes[:3])
		}
	case raster.CMYK:
		if invertedInk {
			invert(s.planes)
		}
	}
	if convert != nil {
		convert.Apply(s.planes, s.alpha)
		if s.model == raster.CMYK {
			s.planes, s.model = s.planes[:3], raster.RGB
		}
	}
	if s.model == raster.CMYK {
		s.inkToLight()
	}
}

func invert(planes [][]byte) {
	for _, p := range planes {
		for i := range p {
			p[i] = ^p[i]
		}
	}
}

// inkToLight mixes inks by multiplication, for pictures without a usable
// profile.
func (s *small) inkToLight() {
	black := s.planes[3]
	for _, p := range s.planes[:3] {
		for i, ink := range p {
			p[i] = raster.Scale(255-ink, 255-black[i])
		}
	}
	s.planes, s.model = s.planes[:3], raster.RGB
}
