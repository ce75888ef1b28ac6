package thumbnail

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"image"
	"io"
	"math"
	"runtime/debug"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/exif"
	"sluice/thumbnail/internal/icc"
	"sluice/thumbnail/internal/raster"
	"sluice/thumbnail/internal/smartcrop"

	"sluice/thumbnail/internal/png"

	"sluice/thumbnail/internal/gif"

	"sluice/thumbnail/internal/webp"

	"sluice/thumbnail/internal/jpeg"
)

// Picture is a picture whose header has been read and is within the limits. Not
// safe for concurrent use.
type Picture struct {
	format string
	header *codec.Header
	src    *source
	o      Options
	ratio  float64 // the pixels, along a side, for one of each thumbnail, at least
	used   bool
	// interest is that of an animation's first frame, so that all frames are
	// cropped alike.
	interest *smartcrop.Interest
}

// Open reads r up to the picture's data and checks the limits. Errors are those
// of Make. The Picture reads the rest from r, which the caller closes
// afterwards.
func Open(r io.Reader, o Options) (_ *Picture, err error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("thumbnail options: %w", err)
	}
	o = o.withDefaults()
	src := &source{r: r, limit: o.MaxBytes}
	br := bufio.NewReaderSize(src, 32<<10)
	format, err := formatOf(br)
	if err != nil {
		return nil, src.fail("", err)
	}
	defer recoverAsCorrupt(format, &err)
	h, err := openFormat(format, br, &o)
	if err != nil {
		return nil, src.fail(format, err)
	}
	p := &Picture{format: format, header: h, src: src, o: o}
	if h.Width < 1 || h.Height < 1 && !h.LateHeight {
		return nil, &CorruptError{Format: format, Reason: p.describe() + " has no pixels"}
	}
	p.ratio = leastRatio(h, o.Sizes)
	if err := p.checkLimits(); err != nil {
		return nil, err
	}
	return p, nil
}

// formatOf returns the format of a picture by its first bytes. It reads more of
// them only to name what is not a picture.
func formatOf(r *bufio.Reader) (string, error) {
	var format string
	var head []byte
	var err error
	for _, n := range []int{magicLen, sniffLen} {
		if head, err = r.Peek(n); err != nil && err != io.EOF {
			return "", err
		}
		if format, err = sniff(head); err == nil {
			break
		}
	}
	return format, err
}

func openFormat(format string, r *bufio.Reader, o *Options) (*codec.Header, error) {
	switch format {
	case codec.JPEG:
		return jpeg.Open(r, jpeg.Options{MaxPixels: o.MaxPixels, MemoryBytes: o.MemoryBytes, Pool: o.Pool.jpegPool()})
	case codec.PNG:
		return png.Open(r)
	case codec.GIF:
		return gif.Open(r, gif.Options{MaxPixels: o.MaxPixels, Animated: o.MaxFrames > 1})
	}
	return webp.Open(r)
}

// leastRatio is the ratio of the size that reduces least.
func leastRatio(h *codec.Header, sizes []Size) float64 {
	least := math.Inf(1)
	turns := []exif.Orientation{h.Orientation}
	if h.LateOrientation && h.Orientation == 0 {
		turns = []exif.Orientation{1, 6}
	}
	for _, s := range sizes {
		for _, turn := range turns {
			s := s.turned(turn)
			if h.LateHeight {
				// Whatever the height, the width reduces at least this much.
				least = min(least, float64(h.Width)/float64(s.Width))
				continue
			}
			tw, th := s.reduced(h.Width, h.Height)
			_, _, cw, ch := s.crop(h.Width, h.Height, tw, th)
			least = min(least, cw/float64(tw), ch/float64(th))
		}
	}
	return max(1, least)
}

func (p *Picture) checkLimits() error {
	h := p.header
	if pixels := int64(h.Width) * int64(h.Height); pixels > p.o.MaxPixels {
		return &TooLargeError{What: "pixels", Got: pixels, Limit: p.o.MaxPixels, Setting: "MaxPixels", Detail: p.describe()}
	}
	if cost := p.Cost(); cost > p.o.MemoryBytes {
		return &TooLargeError{What: "memory bytes", Got: cost, Limit: p.o.MemoryBytes, Setting: "MemoryBytes", Detail: p.describe()}
	}
	return nil
}

func (p *Picture) describe() string {
	return fmt.Sprintf("%dx%d %s", p.header.Width, p.header.Height, p.format)
}

// Format is the source's format: "JPEG", "PNG", "GIF" or "WebP".
func (p *Picture) Format() string { return p.format }

// Width is the source's width in pixels, upright as far as the header tells.
// PNG and WebP may hold their orientation behind the data; Result.Width takes
// it into account.
func (p *Picture) Width() int {
	w, _ := p.header.Orientation.Upright(p.header.Width, p.header.Height)
	return w
}

// Height is the source's height in pixels, see Width. It is 0 for a JPEG that
// holds its height after the data.
func (p *Picture) Height() int {
	_, h := p.header.Orientation.Upright(p.header.Width, p.header.Height)
	return h
}

// Cost is an upper bound in bytes of the memory that Thumbnails needs: for
// pixels, the tables of decoder and encoders, a colour profile, and the
// results, which belong to the caller. Of a still it bounds all allocations,
// freed or not; of an animation the memory in use at once, while the frames go
// by. It depends on the sizes asked for as much as on the picture: most
// pictures are decoded to a fraction of their size.
//
// It does not contain what Open has allocated: at most 2 MiB, and a profile and
// EXIF of at most 4 MiB each.
func (p *Picture) Cost() int64 {
	profile := p.header.PackedProfile.Size
	if profile == 0 {
		profile = int64(len(p.header.Profile))
	}
	cost := p.header.Decoder.MemoryBytes(p.ratio) + p.resizeBytes() + icc.MemoryBytes(profile) + workBytes
	if p.animator() != nil {
		cost += p.o.animationBytes(p.header.Width, p.header.Height)
	}
	return cost
}

// workBytes is the part that does not depend on the picture: the windows and
// hash tables of deflate in both directions, Huffman tables, the colours
// counted for a palette, the picture that a smart crop looks at.
// TestCostBoundsWhatIsAllocated measures it.
const workBytes = 3 << 19

// resizeBytes bounds the allocations after decoding: smaller forms of the
// picture, filter weights and a pair of rows of column sums, and for a pixel of
// a thumbnail its channels, the encoder's copy, and the encoded bytes.
func (p *Picture) resizeBytes() int64 {
	// The coarsest reduction leaves the most for the steps after it: twice the
	// thumbnails' pixels, or the picture.
	w, h := int64(float64(p.header.Width)/max(1, p.ratio/8))+1, int64(float64(p.header.Height)/max(1, p.ratio/8))+1
	n := raster.MulBytes(w, h)/2 + 40*(w+h)
	longest := max(p.header.Width, p.header.Height)
	for _, s := range p.o.Sizes {
		n += 24 * int64(min(s.Width, longest)) * int64(min(s.Height, longest))
		// The orientation may follow, and a JPEG's height.
		h := cmp.Or(p.header.Height, 1<<16-1)
		n += max(s.finishBytes(p.header.Width, h), s.finishBytes(h, p.header.Width))
	}
	return n
}

// Thumbnails decodes the picture and makes all sizes. A Picture is read once,
// by Thumbnails or by Images. Errors are those of Make.
func (p *Picture) Thumbnails(ctx context.Context) (*Result, error) {
	if a := p.animator(); a != nil {
		return p.animation(ctx, a)
	}
	res := &Result{Format: p.format}
	err := p.read(ctx, false, func(pictures []*small) (err error) {
		res.Bytes, res.Width, res.Height = p.src.n, p.Width(), p.Height()
		res.Thumbnails, err = p.encode(ctx, pictures)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Images makes all sizes without encoding them: *image.Gray or *image.NRGBA, in
// the order of Options.Sizes. Errors are those of Make.
func (p *Picture) Images(ctx context.Context) (images []image.Image, err error) {
	err = p.read(ctx, true, func(pictures []*small) error {
		for _, s := range pictures {
			images = append(images, s.padded(false).image())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return images, nil
}

// read decodes the picture and calls use with all sizes, with chroma at full
// size (whole) or as the encoder prefers it.
func (p *Picture) read(ctx context.Context, whole bool, use func([]*small) error) error {
	return p.begin(ctx, func() error {
		p.header.WholeChroma = whole
		img, err := p.header.Decoder.Decode(p.ratio)
		if err != nil {
			return p.src.fail(p.format, err)
		}
		pictures, err := p.makeAll(ctx, img, whole)
		if d, ok := p.header.Decoder.(codec.Releaser); ok {
			d.Release()
		}
		if err != nil {
			return err
		}
		return use(pictures)
	})
}

// begin does the work once, with the context for the reader, and turns a panic
// into an error.
func (p *Picture) begin(ctx context.Context, work func() error) (err error) {
	if p.used {
		return ErrUsed
	}
	p.used = true
	p.src.ctx = ctx
	defer func() { p.src.ctx = nil }()
	defer recoverAsCorrupt(p.format, &err)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return work()
}

// makeAll makes all sizes of a decoded picture.
func (p *Picture) makeAll(ctx context.Context, img *raster.Raster, whole bool) ([]*small, error) {
	h := p.header
	if h.PackedProfile.Data != nil {
		h.Profile, h.PackedProfile = h.PackedProfile.Unpack(), icc.Packed{}
	}
	c := &composer{
		raster: img, width: h.Width, height: h.Height, orientation: h.Orientation,
		convert: h.Transform(img.Model), whole: whole, smart: p.o.SmartCrop, interest: p.interest,
	}
	pictures := make([]*small, len(p.o.Sizes))
	for i, size := range p.o.Sizes {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		pictures[i] = c.make(size)
	}
	p.interest = c.interest
	return pictures, nil
}

// encode chooses one format for all thumbnails of a picture: PNG when any has a
// pixel that is not opaque, else JPEG. An alpha channel that is opaque
// everywhere does not count.
func (p *Picture) encode(ctx context.Context, pictures []*small) ([]Thumbnail, error) {
	opaque := true
	for _, s := range pictures {
		opaque = opaque && (s.opaque() || s.size.Background != "")
	}
	thumbnails := make([]Thumbnail, len(pictures))
	var work *pngBuffer
	for i, s := range pictures {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		s = s.padded(opaque)
		if opaque {
			thumbnails[i] = encodeJPEG(s, cmp.Or(p.o.Quality, QualityOf(s.w, s.h)))
			continue
		}
		if work == nil {
			work = new(pngBuffer)
		}
		var err error
		if thumbnails[i], err = encodePNG(s, work); err != nil {
			return nil, fmt.Errorf("encode thumbnail %s: %w", s.size, err)
		}
	}
	return thumbnails, nil
}

// recoverAsCorrupt turns a decoder's panic into an error: the data made it
// panic.
func recoverAsCorrupt(format string, err *error) {
	if v := recover(); v != nil {
		*err = &CorruptError{
			Format: format, Reason: format + " data is damaged",
			Err: fmt.Errorf("decoder panicked: %v", v), Stack: debug.Stack(),
		}
	}
}
