package thumbnail

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sluice/thumbnail/internal/exif"
)

// maxSide is the longest side a thumbnail may have. Above it "thumbnail" is the wrong word.
const maxSide = 8192

// Size is the box a thumbnail is made for, in pixels. The zero Size is not valid.
type Size struct {
	Width, Height int
	// Fill crops the picture around its centre to the shape of the box. Without it the whole
	// picture is shown and only one side reaches the box.
	Fill bool
}

// ParseSize reads "200x150" (fit) or "200x150:fill". Both sides are 1 to 8192.
func ParseSize(s string) (Size, error) {
	box, mode, hasMode := strings.Cut(s, ":")
	if hasMode && mode != "fill" {
		return Size{}, fmt.Errorf("size %q: %q is not a mode, only \"fill\" is", s, mode)
	}
	w, h, ok := strings.Cut(box, "x")
	if !ok {
		return Size{}, fmt.Errorf("size %q: want WIDTHxHEIGHT, such as 200x150 or 200x150:fill", s)
	}
	width, err := parseSide(w)
	if err != nil {
		return Size{}, fmt.Errorf("size %q: width %w", s, err)
	}
	height, err := parseSide(h)
	if err != nil {
		return Size{}, fmt.Errorf("size %q: height %w", s, err)
	}
	return Size{Width: width, Height: height, Fill: hasMode}, nil
}

func parseSide(s string) (int, error) {
	// A sign or a leading zero would give one size two spellings.
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", s, maxSide)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxSide {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", s, maxSide)
	}
	return n, nil
}

// ParseSizes reads sizes separated by commas; blanks around them are ignored. An empty list and a size
// named twice are errors. All problems are reported at once.
func ParseSizes(s string) ([]Size, error) {
	var sizes []Size
	var problems []error
	seen := map[Size]bool{}
	for part := range strings.SplitSeq(s, ",") {
		size, err := ParseSize(strings.TrimSpace(part))
		switch {
		case err != nil:
			problems = append(problems, err)
		case seen[size]:
			problems = append(problems, fmt.Errorf("size %q is named twice", size))
		default:
			seen[size] = true
			sizes = append(sizes, size)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return sizes, nil
}

// String gives the form that ParseSize reads.
func (s Size) String() string {
	if s.Fill {
		return fmt.Sprintf("%dx%d:fill", s.Width, s.Height)
	}
	return fmt.Sprintf("%dx%d", s.Width, s.Height)
}

// Name gives a form that is safe in paths and keys: "200x150" or "200x150-fill".
func (s Size) Name() string { return strings.Replace(s.String(), ":", "-", 1) }

// turned returns the box as it lies over pixels that are stored in orientation o.
func (s Size) turned(o exif.Orientation) Size {
	s.Width, s.Height = o.Upright(s.Width, s.Height)
	return s
}

func (s Size) validate() error {
	if s.Width < 1 || s.Width > maxSide || s.Height < 1 || s.Height > maxSide {
		return fmt.Errorf("size %q: sides are 1 to %d", s, maxSide)
	}
	return nil
}

// Of gives the thumbnail's size for a picture of w x h, upright: rounded to nearest, at least 1, never larger
// than the picture. A filled box keeps its shape when the picture is too small for it.
func (s Size) Of(w, h int) (tw, th int) {
	if !s.Fill {
		return fitInto(w, h, s.Width, s.Height)
	}
	if w >= s.Width && h >= s.Height {
		return s.Width, s.Height
	}
	return fitInto(s.Width, s.Height, w, h)
}

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

// crop gives the part of a w x h picture that a thumbnail of tw x th shows, as offset and extent in source pixels.
// Fractions are kept: rounding them would stretch the picture.
func (s Size) crop(w, h, tw, th int) (x, y, cw, ch float64) {
	cw, ch = float64(w), float64(h)
	if !s.Fill {
		return 0, 0, cw, ch
	}
	if byHeight := ch * float64(tw) / float64(th); byHeight < cw {
		cw = byHeight
	} else {
		ch = cw * float64(th) / float64(tw)
	}
	return (float64(w) - cw) / 2, (float64(h) - ch) / 2, cw, ch
}

func divRound(a, b int64) int { return int((a + b/2) / b) }

// duplicates reports the sizes that have the name of an earlier one: their
// thumbnails would overwrite each other.
func duplicates(sizes []Size) (problems []error) {
	seen := map[string]bool{}
	for _, s := range sizes {
		if name := s.Name(); seen[name] {
			problems = append(problems, fmt.Errorf("size %q is named twice", s))
		} else {
			seen[name] = true
		}
	}
	return problems
}
