package thumbnail

import (
	"bytes"
	"image"
	"image/gif"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/quantise"
)

// animate shows each frame of an animation as it stands on the screen, reduced. It ends after the frame at which show
// says so by errEnough.
func (g *gifReader) animate(reduction int, show func(img *raster.Raster, delay int) error) error {
	screen := newScreen(g.w, g.h)
	for n := 0; ; n++ {
		f, err := g.nextFrame()
		if err != nil {
			return err
		}
		if f == nil {
			if n == 0 {
				return &CorruptError{Format: formatGIF, Reason: "GIF holds no picture"}
			}
			return nil
		}
		if err := screen.paint(f); err != nil {
			return err
		}
		if err := f.blocks.end(); err != nil {
			return err
		}
		if err := show(screen.reduce(reduction), f.delay); err != nil {
			return err
		}
		screen.dispose(f)
	}
}

// screen is what an animation has painted so far, in RGBA.
type screen struct {
	w, h     int
	pix      []byte
	previous []byte // before the last frame, where that wants it back
}

func newScreen(w, h int) *screen { return &screen{w: w, h: h, pix: make([]byte, 4*w*h)} }

func (s *screen) row(y int) []byte { return s.pix[4*s.w*y : 4*s.w*(y+1)] }

// The ways to go on after a frame. Others leave it.
const (
	disposeToBackground = 2
	disposeToPrevious   = 3
)

func (s *screen) paint(f *gifFrame) error {
	if f.disposal == disposeToPrevious {
		s.previous = append(s.previous[:0], s.pix...)
	}
	return f.rows(func(y int, indices []byte) {
		if y += f.rect.Min.Y; y < s.h {
			f.paint(s.row(y), indices)
		}
	})
}

func (s *screen) dispose(f *gifFrame) {
	switch f.disposal {
	case disposeToBackground:
		// The background is transparent, whatever colour the file names: so browsers do it.
		area := f.rect.Intersect(image.Rect(0, 0, s.w, s.h))
		for y := area.Min.Y; y < area.Max.Y; y++ {
			clear(s.row(y)[4*area.Min.X : 4*area.Max.X])
		}
	case disposeToPrevious:
		copy(s.pix, s.previous)
	}
}

func (s *screen) reduce(reduction int) *raster.Raster {
	r := raster.NewReducer(s.w, s.h, 4, reduction)
	for y := range s.h {
		r.Add(s.row(y))
	}
	return r.Raster(true)
}

// animation collects the frames of one size.
type animation struct {
	size  Size
	w, h  int
	image gif.GIF
}

// add adds a frame. Each has a palette of its own, and stands for itself: what was there before is wiped away.
func (a *animation) add(s *small, delay int) {
	a.size, a.w, a.h = s.size, s.w, s.h
	a.image.Image = append(a.image.Image, quantise.Paletted(s.nrgba()))
	a.image.Delay = append(a.image.Delay, delay)
	a.image.Disposal = append(a.image.Disposal, gif.DisposalBackground)
}

func (a *animation) encode(loop int) (Thumbnail, error) {
	a.image.LoopCount = loop
	a.image.Config = image.Config{Width: a.w, Height: a.h}
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, &a.image); err != nil {
		return Thumbnail{}, err
	}
	return Thumbnail{Size: a.size, Width: a.w, Height: a.h, ContentType: "image/gif", Ext: "gif", Data: buf.Bytes()}, nil
}

// animationBytes is what the frames of all sizes keep at most: an index a pixel, their encoding, and one frame with all its channels.
func (o *Options) animationBytes(w, h int) int64 {
	var n int64
	for _, s := range o.Sizes {
		tw, th := s.Of(w, h)
		n += int64(o.MaxFrames)*2*int64(tw)*int64(th) + 16*int64(tw)*int64(th)
	}
	return n
}
