package thumbnail

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sluice/thumbnail/internal/exif"
	"sluice/thumbnail/internal/finish"
)

// maxSide is the longest side that a thumbnail may have.
const maxSide = 8192

// Size is the box that a thumbnail is made for, in pixels, and the way in which
// the picture takes it. The zero Size is not valid. Width and Height alone fit
// the whole picture into the box: one side reaches it.
//
// Pictures are never enlarged. A picture that is smaller than the box keeps its
// size; a filled box then shrinks and keeps its shape; a padded box stays exact
// and gets a wider border.
type Size struct {
	Width, Height int
	// Fill crops the picture to the shape of the box.
	Fill bool
	// Gravity is the part of the picture that a filled box shows. The zero
	// value is the centre, or with Options.SmartCrop the most interesting part.
	Gravity Gravity
	// Pad fits the whole picture into the box and adds a border around it, so
	// that the thumbnail has exactly the box's size.
	Pad bool
	// Background is the colour behind a padded picture, six hexadecimal digits
	// in lower case such as "ffffff". Transparent parts of the picture show it.
	// The zero value gives a border that is white in a JPEG and transparent in
	// a PNG or GIF, and leaves transparent parts as they are.
	Background string
	// Sharpen raises the contrast of the finest detail, before padding.
	Sharpen bool
}

// Gravity is the part of a picture that a filled box shows.
type Gravity string

// The gravities. Center is always the centre, with Options.SmartCrop too.
const (
	Center      Gravity = "center"
	TopLeft     Gravity = "topleft"
	Top         Gravity = "top"
	TopRight    Gravity = "topright"
	Left        Gravity = "left"
	Right       Gravity = "right"
	BottomLeft  Gravity = "bottomleft"
	Bottom      Gravity = "bottom"
	BottomRight Gravity = "bottomright"
)

// sizeForms are the forms that ParseSize reads, for errors.
const sizeForms = "want WxH, WxH:fill, WxH:fill:GRAVITY (center, topleft, top, topright, left, right, bottomleft, bottom or bottomright), " +
	"WxH:pad or WxH:pad:RRGGBB, each with :sharpen at the end or without, such as 200x150:fill:top:sharpen"

// ParseSize reads a size:
//
//	size    = WIDTHxHEIGHT [":" mode] [":sharpen"]
//	mode    = "fill" [":" gravity] | "pad" [":" colour]
//	gravity = "center" | "topleft" | "top" | "topright" | "left" | "right" |
//	          "bottomleft" | "bottom" | "bottomright"
//	colour  = six hexadecimal digits, such as "ffffff"
//
// Both sides are 1 to 8192. Capital digits of a colour become small ones.
func ParseSize(s string) (Size, error) {
	fail := func(problem string) (Size, error) {
		return Size{}, fmt.Errorf("size %q: %s: %s", s, problem, sizeForms)
	}
	box, rest, hasOptions := strings.Cut(s, ":")
	w, h, ok := strings.Cut(box, "x")
	if !ok {
		return fail(fmt.Sprintf("%q has no x between width and height", box))
	}
	var size Size
	var err error
	if size.Width, err = parseSide(w); err != nil {
		return fail("width " + err.Error())
	}
	if size.Height, err = parseSide(h); err != nil {
		return fail("height " + err.Error())
	}
	if !hasOptions {
		return size, nil
	}
	options := strings.Split(rest, ":")
	switch options[0] {
	case "fill":
		size.Fill, options = true, options[1:]
		if len(options) > 0 && finish.IsGravity(options[0]) {
			size.Gravity, options = Gravity(options[0]), options[1:]
		}
	case "pad":
		size.Pad, options = true, options[1:]
		if len(options) > 0 && isColour(strings.ToLower(options[0])) {
			size.Background, options = strings.ToLower(options[0]), options[1:]
		}
	}
	if len(options) > 0 && options[0] == "sharpen" {
		size.Sharpen, options = true, options[1:]
	}
	if len(options) > 0 {
		return fail(fmt.Sprintf("%q cannot stand here", options[0]))
	}
	return size, nil
}

func parseSide(s string) (int, error) {
	// A sign or a leading zero would give one size two spellings.
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("is %q, not a number from 1 to %d", s, maxSide)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxSide {
		return 0, fmt.Errorf("is %q, not a number from 1 to %d", s, maxSide)
	}
	return n, nil
}

func isColour(s string) bool {
	return len(s) == 6 && strings.Trim(s, "0123456789abcdef") == ""
}

// ParseSizes reads sizes separated by commas; blanks around them are ignored.
// An empty list and two sizes with the same key are errors. All problems are
// reported at once.
func ParseSizes(s string) ([]Size, error) {
	var sizes []Size
	var problems []error
	for part := range strings.SplitSeq(s, ",") {
		size, err := ParseSize(strings.TrimSpace(part))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		sizes = append(sizes, size)
	}
	problems = append(problems, duplicates(sizes)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return sizes, nil
}

// duplicates reports the sizes that have the key of an earlier one: their
// thumbnails would overwrite each other.
func duplicates(sizes []Size) (problems []error) {
	seen := map[string]bool{}
	for _, s := range sizes {
		if name := s.Name(); seen[name] {
			problems = append(problems, fmt.Errorf("size %q is named twice: both thumbnails would have the key %q; leave one out", s, name))
		} else {
			seen[name] = true
		}
	}
	return problems
}

// String returns the form that ParseSize reads.
func (s Size) String() string {
	text := fmt.Sprintf("%dx%d", s.Width, s.Height)
	if s.Fill {
		text += ":fill"
	}
	if s.Gravity != "" {
		text += ":" + string(s.Gravity)
	}
	if s.Pad {
		text += ":pad"
	}
	if s.Background != "" {
		text += ":" + s.Background
	}
	if s.Sharpen {
		text += ":sharpen"
	}
	return text
}

// Name returns a form that is safe in paths and keys, of a-z, 0-9 and "-":
// "200x150", "200x150-fill-top" or "200x150-pad-ffffff-sharpen".
func (s Size) Name() string { return strings.ReplaceAll(s.String(), ":", "-") }

func (s Size) validate() error {
	if s.Width < 1 || s.Width > maxSide || s.Height < 1 || s.Height > maxSide {
		return fmt.Errorf("size %q: want sides from 1 to %d", s, maxSide)
	}
	if parsed, err := ParseSize(s.String()); err != nil {
		return err
	} else if parsed != s {
		return fmt.Errorf("size %q: its fields contradict each other: %s", s, sizeForms)
	}
	return nil
}

// Of returns the thumbnail's size for a picture of w x h, upright: rounded to
// nearest and at least 1. Only a padded box is ever larger than the picture.
func (s Size) Of(w, h int) (tw, th int) {
	if s.Pad {
		return s.Width, s.Height
	}
	return s.fitted(w, h)
}

// fitted is Of without the border of a padded box.
func (s Size) fitted(w, h int) (tw, th int) {
	if !s.Fill {
		return fitInto(w, h, s.Width, s.Height)
	}
	if w >= s.Width && h >= s.Height {
		return s.Width, s.Height
	}
	return fitInto(s.Width, s.Height, w, h)
}

// reduced is the size to which a picture of w x h is resampled. With a gravity
// the whole picture is resampled, so that it covers the box, and cropped
// afterwards.
func (s Size) reduced(w, h int) (tw, th int) {
	tw, th = s.fitted(w, h)
	if s.Gravity == "" {
		return tw, th
	}
	if int64(w)*int64(th) >= int64(h)*int64(tw) {
		return max(tw, divRound(int64(w)*int64(th), int64(h))), th
	}
	return tw, max(th, divRound(int64(h)*int64(tw), int64(w)))
}

// finished reports whether the reduced picture is worked on afterwards.
func (s Size) finished() bool { return s.Gravity != "" || s.Pad || s.Sharpen }

// fitInto scales w x h down until it fits into boxW x boxH.
func fitInto(w, h, boxW, boxH int) (int, int) {
	if w <= boxW && h <= boxH {
		return w, h
	}
	// The side that is relatively longer reaches the box.
	if int64(w)*int64(boxH) >= int64(h)*int64(boxW) {
		return boxW, max(1, divRound(int64(h)*int64(boxW), int64(w)))
	}
	return max(1, divRound(int64(w)*int64(boxH), int64(h))), boxH
}

// crop returns the part of a w x h picture that is resampled to tw x th, as
// offset and extent in source pixels. Fractions are kept: rounding them would
// stretch the picture.
func (s Size) crop(w, h, tw, th int) (x, y, cw, ch float64) {
	cw, ch = float64(w), float64(h)
	if !s.Fill || s.Gravity != "" {
		return 0, 0, cw, ch
	}
	if byHeight := ch * float64(tw) / float64(th); byHeight < cw {
		cw = byHeight
	} else {
		ch = cw * float64(th) / float64(tw)
	}
	return (float64(w) - cw) / 2, (float64(h) - ch) / 2, cw, ch
}

// turned returns the box as it lies over pixels that are stored in orientation
// o.
func (s Size) turned(o exif.Orientation) Size {
	s.Width, s.Height = o.Upright(s.Width, s.Height)
	return s
}

func divRound(a, b int64) int { return int((a + b/2) / b) }
