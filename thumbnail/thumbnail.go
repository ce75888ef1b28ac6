// Package thumbnail makes small pictures of large ones: bytes in, upright,
// resized and encoded pictures out.
//
// It reads JPEG, PNG, GIF (first frame) and WebP, told apart by their content.
// The header is checked against the limits before the picture is decoded. The
// EXIF orientation is applied, metadata is dropped, the picture is never
// enlarged, and all sizes come from one decoding. Opaque pictures become JPEG,
// transparent ones PNG.
//
// [Make] does it in one call. [Open] stops after the header, so that a caller
// can weigh [Picture.Cost] against the memory it has before
// [Picture.Thumbnails] decodes.
//
// The work is done by the packages under internal, one for each concern. A
// picture passes through them in this order:
//
//	jpeg, png, gif, webp (vp8, vp8l)   header, then decoding at a reduced size
//	raster                             averaging of rows while they are decoded
//	resample                           Lanczos to the thumbnail's size
//	colour, icc                        to sRGB
//	finish                             gravity, padding and sharpening
//	jpegenc, quantise, image/png       encoding
package thumbnail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
)

// The defaults of the fields of Options that are zero.
const (
	DefaultMaxPixels   = 1 << 30 // a guard: memory decides, see Picture.Cost
	DefaultMaxBytes    = 64 << 20
	DefaultMemoryBytes = 512 << 20
)

// Options says what to make and where to stop. Sizes is required, every other
// field may be zero.
type Options struct {
	// Sizes are the thumbnails to make, in this order; at least one.
	Sizes []Size
	// Quality is that of JPEG output, 1 to 100. Zero chooses by size, see
	// QualityOf.
	Quality int
	// MaxPixels bounds width x height of the source; of an animation, of all
	// frames that are read. Zero means 1 << 30.
	MaxPixels int64
	// MaxBytes bounds the encoded bytes that are read. Zero means 64 MiB.
	MaxBytes int64
	// MemoryBytes bounds the memory that one decoding may need, see
	// Picture.Cost. Zero means 512 MiB.
	MemoryBytes int64
	// MaxFrames bounds the frames of an animated thumbnail. A GIF of two frames
	// or more, and no more than MaxFrames, becomes an animated GIF. A longer
	// one becomes a still of its first frame, as every GIF does where MaxFrames
	// is zero or 1.
	MaxFrames int
	// Pool keeps decoders for the next picture; nil keeps none. Share one
	// between all calls.
	Pool *Pool
	// SmartCrop makes filled boxes without a gravity of their own show the part
	// with the most edges and skin, instead of the centre.
	SmartCrop bool
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var problems []error
	if len(o.Sizes) == 0 {
		problems = append(problems, errors.New("no sizes"))
	}
	for _, s := range o.Sizes {
		if err := s.validate(); err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, duplicates(o.Sizes)...)
	if o.Quality < 0 || o.Quality > 100 {
		problems = append(problems, fmt.Errorf("option Quality: got %d, want 1 to 100, or 0 for a quality by size", o.Quality))
	}
	if o.MaxFrames < 0 {
		problems = append(problems, fmt.Errorf("option MaxFrames: got %d, want 0 or more", o.MaxFrames))
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{{"MaxPixels", o.MaxPixels}, {"MaxBytes", o.MaxBytes}, {"MemoryBytes", o.MemoryBytes}} {
		if limit.value < 0 {
			problems = append(problems, fmt.Errorf("option %s: got %d, want 0 or more", limit.name, limit.value))
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

// Result describes a source picture and holds its thumbnails.
type Result struct {
	Format        string      // of the source: "JPEG", "PNG", "GIF" or "WebP"
	Width, Height int         // of the source in pixels, upright
	Bytes         int64       // encoded bytes read; what follows the picture's data is not read
	Thumbnails    []Thumbnail // one for each of Options.Sizes, in their order
}

// Thumbnail is one encoded picture.
type Thumbnail struct {
	Size          Size   // the size asked for
	Width, Height int    // in pixels, upright
	ContentType   string // "image/jpeg" or "image/png"; "image/gif" when animated
	Ext           string // "jpg", "png" or "gif"
	Data          []byte // owned by the caller
}

// Make reads a picture from r and makes its thumbnails. It returns an
// *UnsupportedError, a *TooLargeError or a *CorruptError, which retrying cannot
// fix; the error of r or of ctx, which retrying may fix; or a problem of o.
// Safe for concurrent use.
func Make(ctx context.Context, r io.Reader, o Options) (*Result, error) {
	p, err := Open(r, o)
	if err != nil {
		return nil, err
	}
	return p.Thumbnails(ctx)
}
