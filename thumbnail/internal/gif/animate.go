package gif

import (
	"image"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/raster"
)

// Animate shows each frame as it stands on the screen, reduced.
func (g *reader) Animate(ratio float64, show func(img *raster.Raster, delay int) error) error {
	screen, reduction := newScreen(g.w, g.h), raster.ReductionFor(ratio, g.w, g.h)
	for n := 0; ; n++ {
		f, err := g.first, error(nil)
		if n > 0 {
			f, err = g.nextFrame()
		}
		if err != nil {
			return err
		}
		if f == nil {
			if n == 0 {
				return codec.Corrupt(codec.GIF, "GIF holds no picture")
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

// screen holds the pixels that an animation has painted, in RGBA.
type screen struct {
	w, h     int
	pix      []byte
	previous []byte // before the last frame, where that frame restores it
}

func newScreen(w, h int) *screen { return &screen{w: w, h: h, pix: make([]byte, 4*w*h)} }

func (s *screen) row(y int) []byte { return s.pix[4*s.w*y : 4*s.w*(y+1)] }

// The disposals after a frame. All others leave the screen as it is.
const (
	disposeToBackground = 2
	disposeToPrevious   = 3
)

func (s *screen) paint(f *frame) error {
	if f.disposal == disposeToPrevious {
		s.previous = append(s.previous[:0], s.pix...)
	}
	return f.rows(func(y int, indices []byte) {
		if y += f.rect.Min.Y; y < s.h {
			f.paint(s.row(y), indices)
		}
	})
}

func (s *screen) dispose(f *frame) {
	switch f.disposal {
	case disposeToBackground:
		// The background is transparent, whatever colour the file names, as in
		// browsers.
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
