// Package thumbnail makes small pictures of large ones: bytes in, upright, resized and encoded pictures out.
//
// It reads JPEG, PNG, GIF (first frame) and WebP, told apart by their content. The header is checked against the
// limits before the picture is decoded. The EXIF orientation is applied, metadata is dropped, a picture is never
// enlarged, and all sizes come from one decoding. Opaque pictures become JPEG, transparent ones PNG.
//
// [Make] does it in one call. [Open] stops after the header, so that a caller can weigh [Picture.Cost]
// against the memory it has before [Picture.Thumbnails] decodes.
package thumbnail

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"runtime/debug"

	"sluice/thumbnail/internal/exif"
	"sluice/thumbnail/scaledjpeg"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/icc"

	"sluice/thumbnail/internal/smartcrop"
)

// The values that a zero field of Options stands for.
const (
	DefaultMaxPixels   = 1 << 30 // a guard: it is the memory that decides, see Picture.Cost
	DefaultMaxBytes    = 64 << 20
	DefaultMemoryBytes = 512 << 20
)

// Options says what to make and where to stop. Sizes is required, every other field may be zero.
type Options struct {
	Sizes       []Size // what to make, in this order; at least one
	Quality     int    // of JPEG output, 1 to 100; zero means by size, see QualityOf
	MaxPixels   int64  // width x height of the source; of an animation, of all frames that are read; zero means 1 << 30
	MaxBytes    int64  // encoded bytes read from the source; zero means 64 MiB
	MemoryBytes int64  // what one decoding may need, see Picture.Cost; zero means 512 MiB
	// MaxFrames is the most frames that an animated thumbnail may have. A GIF of two frames or more, and no more than these,
	// becomes an animated GIF; one of more frames is a still of its first, as all are where this is zero or 1.
	MaxFrames int
	// Pool keeps decoders for the next picture; nil keeps none. Share one between all calls.
	Pool *Pool
	// SmartCrop lets filled boxes show the part with most edges and skin, instead of the centre.
	SmartCrop bool
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var problems []error
	if len(o.Sizes) == 0 {
		problems = append(problems, errors.New("no sizes"))
	}
	seen := map[Size]bool{}
	for _, s := range o.Sizes {
		if err := s.validate(); err != nil {
			problems = append(problems, err)
		}
		if seen[s] {
			problems = append(problems, fmt.Errorf("size %q is named twice", s))
		}
		seen[s] = true
	}
	if o.Quality < 0 || o.Quality > 100 {
		problems = append(problems, fmt.Errorf("quality %d: want 1 to 100", o.Quality))
	}
	if o.MaxFrames < 0 {
		problems = append(problems, fmt.Errorf("MaxFrames %d is negative", o.MaxFrames))
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{{"MaxPixels", o.MaxPixels}, {"MaxBytes", o.MaxBytes}, {"MemoryBytes", o.MemoryBytes}} {
		if limit.value < 0 {
			problems = append(problems, fmt.Errorf("%s %d is negative", limit.name, limit.value))
		}
	}
	return errors.Join(problems...)
}

func (o Options) withDefaults() Options {
	o.MaxPixels = cmp.Or(o.MaxPixels, DefaultMaxPixels)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, DefaultMemoryBytes)
	return o
}

// Result is what became of one picture.
type Result struct {
	Format        string      // of the source: "JPEG", "PNG", "GIF" or "WebP"
	Width, Height int         // of the source in pixels, upright
	Bytes         int64       // encoded bytes read; what follows the picture's data is not read
	Thumbnails    []Thumbnail // one for each of Options.Sizes, in their order
}

// Thumbnail is one encoded picture.
type Thumbnail struct {
	Size          Size   // the size asked for
	Width, Height int    // in pixels, upright; never more than the source's
	ContentType   string // "image/jpeg" or "image/png"; "image/gif" when animated
	Ext           string // "jpg", "png" or "gif"
	Data          []byte // owned by the caller
}

// Make reads a picture from r and makes its thumbnails. Errors are *UnsupportedError, *TooLargeError and
// *CorruptError, which no repetition mends; the error of r or of ctx, which one may; or a problem of o.
// Safe for concurrent use.
func Make(ctx context.Context, r io.Reader, o Options) (*Result, error) {
	p, err := Open(r, o)
	if err != nil {
		return nil, err
	}
	return p.Thumbnails(ctx)
}

// Picture is a picture whose header has been read and found within the limits. Not safe for concurrent use.
type Picture struct {
	format string
	header *header
	src    *source
	o      Options
	ratio  float64 // see header.memory
	used   bool
	// interest is that of an animation's first frame, so that all frames are cropped alike.
	interest *smartcrop.Interest
}

// header is what a format's reader learned before the picture's data.
type header struct {
	width, height int // as stored, before orientation
	orientation   exif.Orientation
	profile       []byte // ICC, nil where there is none
	packed        icc.Packed
	convert       *icc.Transform // see transform
	converted     bool
	// lateOrientation is set where the orientation may follow the data: decode notes it then.
	lateOrientation bool
	// lateHeight is set where the height is not known before the data (JPEG's DNL): decode notes it then.
	lateHeight bool
	// wholeChroma asks decode for as much chroma as thumbnails take that have it for each pixel.
	wholeChroma bool
	// memory bounds what decode needs, its result included. The ratio is the number of the picture's pixels, along a side, that
	// each thumbnail takes for one of its own, at least.
	memory func(ratio float64) int64
	// decode gives the picture, reduced as far as the ratio allows.
	decode func(ratio float64) (*raster.Raster, error)
	// animate, where it is not nil, is called instead of decode. It shows frame after frame, with delays in hundredths of a second, and
	// ends with what show returns if that is not nil.
	animate func(ratio float64, show func(img *raster.Raster, delay int) error) error
	// decoder, where it is not nil, owns the planes that decode returned.
	decoder *scaledjpeg.Decoder
	// loop is how often an animation runs, as image/gif counts; it is known when the first frame is.
	loop func() int
}

// transform is what the profile asks for, made once: a picture has one model.
func (h *header) transform(model raster.Model) *icc.Transform {
	if !h.converted {
		h.convert, h.converted = icc.NewTransform(h.profile, model), true
	}
	return h.convert
}

// noteExif takes the first orientation that is found.
func (h *header) noteExif(tiff []byte) {
	if h.orientation == 0 {
		h.orientation = exif.Parse(tiff)
	}
}

// Open reads r up to the picture's data and checks the limits. Errors are those of Make.
// The Picture reads the rest from r, which therefore stays the caller's to close.
func Open(r io.Reader, o Options) (_ *Picture, err error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("thumbnail options: %w", err)
	}
	o = o.withDefaults()
	src := &source{r: r, limit: o.MaxBytes}
	br := bufio.NewReaderSize(src, 32<<10)
	head, err := br.Peek(sniffLen)
	if err != nil && err != io.EOF {
		return nil, src.fail("", err)
	}
	format, err := sniff(head)
	if err != nil {
		return nil, err
	}
	defer recoverAsCorrupt(format, &err)
	open := map[string]func(*bufio.Reader, *Options) (*header, error){
		formatJPEG: openJPEG, formatPNG: openPNG, formatGIF: openGIF, formatWebP: openWebP,
	}[format]
	h, err := open(br, &o)
	if err != nil {
		return nil, src.fail(format, err)
	}
	p := &Picture{format: format, header: h, src: src, o: o}
	if h.width < 1 || h.height < 1 && !h.lateHeight {
		return nil, &CorruptError{Format: format, Reason: p.describe() + " has no pixels"}
	}
	p.ratio = h.leastRatio(o.Sizes)
	if err := p.checkLimits(); err != nil {
		return nil, err
	}
	return p, nil
}

// leastRatio is the ratio of the size that reduces least.
func (h *header) leastRatio(sizes []Size) float64 {
	least := math.Inf(1)
	turns := []exif.Orientation{h.orientation}
	if h.lateOrientation && h.orientation == 0 {
		turns = []exif.Orientation{1, 6}
	}
	for _, s := range sizes {
		for _, turn := range turns {
			s := s.turned(turn)
			if h.lateHeight {
				// However high it is, it is reduced at least as its width wants.
				least = min(least, float64(h.width)/float64(s.Width))
				continue
			}
			tw, th := s.Of(h.width, h.height)
			_, _, cw, ch := s.crop(h.width, h.height, tw, th)
			least = min(least, cw/float64(tw), ch/float64(th))
		}
	}
	return max(1, least)
}

func (p *Picture) checkLimits() error {
	h := p.header
	if pixels := int64(h.width) * int64(h.height); pixels > p.o.MaxPixels {
		return &TooLargeError{What: "pixels", Got: pixels, Limit: p.o.MaxPixels, Setting: "MaxPixels", Detail: p.describe()}
	}
	if cost := p.Cost(); cost > p.o.MemoryBytes {
		return &TooLargeError{What: "memory bytes", Got: cost, Limit: p.o.MemoryBytes, Setting: "MemoryBytes", Detail: p.describe()}
	}
	return nil
}

func (p *Picture) describe() string {
	return fmt.Sprintf("%dx%d %s", p.header.width, p.header.height, p.format)
}

// Format is the source's format: "JPEG", "PNG", "GIF" or "WebP".
func (p *Picture) Format() string { return p.format }

// Width is the source's width in pixels, upright as far as the header tells. PNG and WebP may hold
// their orientation behind the data; Result has the last word.
func (p *Picture) Width() int {
	w, _ := p.header.orientation.Upright(p.header.width, p.header.height)
	return w
}

// Height is the source's height in pixels, see Width. It is 0 for a JPEG that tells its height after the data.
func (p *Picture) Height() int {
	_, h := p.header.orientation.Upright(p.header.width, p.header.height)
	return h
}

// Cost is an upper bound in bytes of the memory that Thumbnails needs: for pixels, the decoder's and the encoders' tables, a colour profile,
// and the results, which are the caller's. It is more than a still takes in all, freed or not; of an animation it is what is in use at
// once, while the frames go by. It depends on the sizes asked for as much as on the picture: most are decoded to a fraction of their size.
//
// What Open has allocated is not in it: at most 2 MiB, and what it read and keeps (a profile, EXIF, at most 4 MiB each).
func (p *Picture) Cost() int64 {
	profile := p.header.packed.Size
	if profile == 0 {
		profile = int64(len(p.header.profile))
	}
	return p.header.memory(p.ratio) + p.resizeBytes() + icc.MemoryBytes(profile) + workBytes
}

// workBytes is what does not depend on the picture: the windows and hash tables of deflate, in both directions, Huffman tables, the colours that
// are counted for a palette, the picture that a smart crop looks at. TestCostBoundsWhatIsAllocated measures it.
const workBytes = 3 << 19

// resizeBytes bounds what the steps after decoding allocate: smaller forms of the picture, filter weights and a pair of rows
// of column sums, and for a pixel of a thumbnail its channels, what the encoder keeps, and the encoded bytes.
func (p *Picture) resizeBytes() int64 {
	// The coarsest reduction leaves the most for what comes after: twice the thumbnails' pixels, or the picture.
	w, h := int64(float64(p.header.width)/max(1, p.ratio/8))+1, int64(float64(p.header.height)/max(1, p.ratio/8))+1
	n := raster.MulBytes(w, h)/2 + 40*(w+h)
	for _, s := range p.o.Sizes {
		n += 24 * int64(min(s.Width, max(p.header.width, p.header.height))) * int64(min(s.Height, max(p.header.width, p.header.height)))
	}
	return n
}

// Thumbnails decodes the picture and makes all sizes. A Picture is read once, by Thumbnails or by Images. Errors are
// those of Make.
func (p *Picture) Thumbnails(ctx context.Context) (*Result, error) {
	if p.header.animate != nil {
		return p.animation(ctx)
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

// Images makes all sizes and leaves encoding to the caller: *image.Gray or *image.NRGBA, in the order of
// Options.Sizes. Errors are those of Make.
func (p *Picture) Images(ctx context.Context) (images []image.Image, err error) {
	err = p.read(ctx, true, func(pictures []*small) error {
		for _, s := range pictures {
			images = append(images, s.image())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return images, nil
}

// errEnough ends an animation that has too many frames.
var errEnough = errors.New("more frames than wanted")

// animation makes animated thumbnails, or stills of the first frame when there is one only, or more than wanted.
func (p *Picture) animation(ctx context.Context) (*Result, error) {
	var first []*small
	moving := make([]animation, len(p.o.Sizes))
	frames := 0
	err := p.begin(ctx, func() error {
		err := p.header.animate(p.ratio, func(img *raster.Raster, delay int) error {
			if frames++; frames > p.o.MaxFrames {
				return errEnough
			}
			if pixels := int64(frames) * int64(p.header.width) * int64(p.header.height); pixels > p.o.MaxPixels {
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
		t, err := moving[i].encode(p.header.loop())
		if err != nil {
			return nil, fmt.Errorf("encode thumbnail %s: %w", p.o.Sizes[i], err)
		}
		res.Thumbnails = append(res.Thumbnails, t)
	}
	return res, nil
}

// read decodes the picture, makes all sizes, with chroma at full size or as the encoder likes it, and hands them on.
func (p *Picture) read(ctx context.Context, whole bool, use func([]*small) error) error {
	return p.begin(ctx, func() error {
		p.header.wholeChroma = whole
		img, err := p.header.decode(p.ratio)
		if err != nil {
			return p.src.fail(p.format, err)
		}
		pictures, err := p.makeAll(ctx, img, whole)
		if d := p.header.decoder; d != nil {
			p.o.Pool.putJPEG(d)
		}
		if err != nil {
			return err
		}
		return use(pictures)
	})
}

// begin does the work once, with the context for the reader, and makes a panic an error.
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
	if h.packed.Data != nil {
		h.profile, h.packed = h.packed.Unpack(), icc.Packed{}
	}
	c := &composer{
		raster: img, width: h.width, height: h.height, orientation: h.orientation,
		convert: h.transform(img.Model), whole: whole, smart: p.o.SmartCrop, interest: p.interest,
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

// encode chooses one format for all thumbnails of a picture: PNG when any has a pixel that is not opaque, else
// JPEG. An alpha channel that is opaque everywhere does not count.
func (p *Picture) encode(ctx context.Context, pictures []*small) ([]Thumbnail, error) {
	opaque := true
	for _, s := range pictures {
		opaque = opaque && s.opaque()
	}
	thumbnails := make([]Thumbnail, len(pictures))
	var work *pngBuffer
	for i, s := range pictures {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
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

// recoverAsCorrupt makes a decoder's panic an error: what makes it panic is in the data.
func recoverAsCorrupt(format string, err *error) {
	if v := recover(); v != nil {
		*err = &CorruptError{
			Format: format, Reason: format + " data is damaged",
			Err: fmt.Errorf("decoder panicked: %v", v), Stack: debug.Stack(),
		}
	}
}
