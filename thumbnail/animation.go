package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/quantise"
	"sluice/thumbnail/internal/raster"
)

// errEnough ends an animation that has too many frames.
var errEnough = errors.New("more frames than wanted")

// animator is the picture's decoder if its frames are wanted, else nil.
func (p *Picture) animator() codec.Animator {
	if p.o.MaxFrames < 2 {
		return nil
	}
	a, _ := p.header.Decoder.(codec.Animator)
	return a
}

// animation makes animated thumbnails, or stills of the first frame when there
// is only one, or more than MaxFrames.
func (p *Picture) animation(ctx context.Context, a codec.Animator) (*Result, error) {
	var first []*small
	moving := make([]animation, len(p.o.Sizes))
	frames := 0
	err := p.begin(ctx, func() error {
		err := a.Animate(p.ratio, func(img *raster.Raster, delay int) error {
			if frames++; frames > p.o.MaxFrames {
				return errEnough
			}
			if pixels := int64(frames) * int64(p.header.Width) * int64(p.header.Height); pixels > p.o.MaxPixels {
				return &TooLargeError{
					What: "pixels", Got: pixels, Limit: p.o.MaxPixels, Setting: "MaxPixels",
					Detail: fmt.Sprintf("%s with at least %d frames", p.describe(), frames),
				}
			}
			pictures, err := p.makeAll(ctx, img, true)
			if err != nil {
				return err
			}
			if first == nil {
				first = pictures
			}
			for i, s := range pictures {
				moving[i].add(s, delay)
			}
			return nil
		})
		if err == nil || errors.Is(err, errEnough) || ctx.Err() != nil {
			return err
		}
		err = p.src.fail(p.format, err)
		if _, damaged := errors.AsType[*CorruptError](err); damaged && first != nil {
			return nil // the frames before the damage are whole
		}
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	res := &Result{Format: p.format, Bytes: p.src.n, Width: p.Width(), Height: p.Height()}
	if frames == 1 || frames > p.o.MaxFrames {
		res.Thumbnails, err = p.encode(ctx, first)
		return res, err
	}
	for i := range moving {
		t, err := moving[i].encode(a.LoopCount())
		if err != nil {
			return nil, fmt.Errorf("encode thumbnail %s: %w", p.o.Sizes[i], err)
		}
		res.Thumbnails = append(res.Thumbnails, t)
	}
	return res, nil
}

// animation collects the frames of one size.
type animation struct {
	size  Size
	w, h  int
	image gif.GIF
}

// add adds a frame with a palette of its own. The frame replaces the one before
// it as a whole.
func (a *animation) add(s *small, delay int) {
	s = s.padded(false)
	a.size, a.w, a.h = s.size, s.w, s.h
	a.image.Image = append(a.image.Image, quantise.Paletted(s.nrgba()))
	a.image.Delay = append(a.image.Delay, delay)
	a.image.Disposal = append(a.image.Disposal, gif.DisposalBackground)
}

func (a *animation) encode(loopCount int) (Thumbnail, error) {
	a.image.LoopCount = loopCount
	a.image.Config = image.Config{Width: a.w, Height: a.h}
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, &a.image); err != nil {
		return Thumbnail{}, err
	}
	return Thumbnail{Size: a.size, Width: a.w, Height: a.h, ContentType: "image/gif", Ext: "gif", Data: buf.Bytes()}, nil
}

// animationBytes bounds the memory of the frames of all sizes: an index a
// pixel, the encoded frame, and one frame with all its channels.
func (o *Options) animationBytes(w, h int) int64 {
	var n int64
	for _, s := range o.Sizes {
		tw, th := s.Of(w, h)
		n += int64(o.MaxFrames)*2*int64(tw)*int64(th) + 16*int64(tw)*int64(th)
	}
	return n
}
