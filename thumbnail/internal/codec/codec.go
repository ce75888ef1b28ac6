// Package codec is the contract between thumbnail and the readers of picture
// formats: what a header holds, how its picture is decoded, and the error of a
// picture that is refused.
//
// A reader's Open function reads up to the picture's data and returns a
// [Header]. Its [Decoder] then weighs and decodes the picture at the size that
// the thumbnails need. That size is a ratio: the number of the picture's
// pixels, along a side, for one pixel of each thumbnail, at least.
package codec

import (
	"sluice/thumbnail/internal/exif"
	"sluice/thumbnail/internal/icc"
	"sluice/thumbnail/internal/raster"
)

// The names of the formats.
const (
	JPEG = "JPEG"
	PNG  = "PNG"
	GIF  = "GIF"
	WebP = "WebP"
)

// Header is what a reader knows before the picture's data. Decode may complete
// the fields that a format stores behind the data.
type Header struct {
	Width, Height int // as stored, before orientation
	Orientation   exif.Orientation
	Profile       []byte     // ICC; nil for none
	PackedProfile icc.Packed // as PNG stores it; unpacked into Profile after decoding
	// LateOrientation is set where the orientation may follow the data.
	LateOrientation bool
	// LateHeight is set where the height is not known before the data (JPEG's
	// DNL).
	LateHeight bool
	// WholeChroma asks Decode for the chroma that thumbnails with a sample of
	// chroma for each pixel need.
	WholeChroma bool
	Decoder     Decoder

	transform *icc.Transform // see Transform
	converted bool
}

// Decoder decodes the picture of a header, once.
type Decoder interface {
	// MemoryBytes bounds what Decode allocates, its result included.
	MemoryBytes(ratio float64) int64
	// Decode returns the picture, reduced as far as the ratio allows.
	Decode(ratio float64) (*raster.Raster, error)
}

// Releaser is a Decoder that owns the planes it returns. Release takes them
// back: nothing reads them afterwards.
type Releaser interface {
	Decoder
	Release()
}

// Animator is a Decoder of a picture that may have several frames.
type Animator interface {
	Decoder
	// Animate calls show for each frame as it stands on the screen, with its
	// delay in hundredths of a second. It returns the first error of show.
	Animate(ratio float64, show func(img *raster.Raster, delay int) error) error
	// LoopCount is how often the animation runs, as image/gif counts. It is
	// known when the first frame is.
	LoopCount() int
}

// Transform returns the conversion to sRGB that the profile asks for, nil for
// none. It is made once: a picture has one model.
func (h *Header) Transform(model raster.Model) *icc.Transform {
	if !h.converted {
		h.transform, h.converted = icc.NewTransform(h.Profile, model), true
	}
	return h.transform
}

// NoteEXIF takes the orientation of an EXIF block, unless an earlier block had
// one.
func (h *Header) NoteEXIF(tiff []byte) {
	if h.Orientation == 0 {
		h.Orientation = exif.Parse(tiff)
	}
}
