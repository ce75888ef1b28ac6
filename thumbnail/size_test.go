package thumbnail

import (
	"math"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want Size
		name string
	}{
		{"200x200", Size{Width: 200, Height: 200}, "200x200"},
		{"1x8192", Size{Width: 1, Height: 8192}, "1x8192"},
		{"320x180:fill", Size{Width: 320, Height: 180, Fill: true}, "320x180-fill"},
		{"200x200:fill:top", Size{Width: 200, Height: 200, Fill: true, Gravity: Top}, "200x200-fill-top"},
		{"200x200:fill:center", Size{Width: 200, Height: 200, Fill: true, Gravity: Center}, "200x200-fill-center"},
		{"200x200:fill:bottomright:sharpen", Size{Width: 200, Height: 200, Fill: true, Gravity: BottomRight, Sharpen: true}, "200x200-fill-bottomright-sharpen"},
		{"200x200:fill:sharpen", Size{Width: 200, Height: 200, Fill: true, Sharpen: true}, "200x200-fill-sharpen"},
		{"200x200:pad", Size{Width: 200, Height: 200, Pad: true}, "200x200-pad"},
		{"200x200:pad:ffffff", Size{Width: 200, Height: 200, Pad: true, Background: "ffffff"}, "200x200-pad-ffffff"},
		{"200x200:pad:0a1b2c:sharpen", Size{Width: 200, Height: 200, Pad: true, Background: "0a1b2c", Sharpen: true}, "200x200-pad-0a1b2c-sharpen"},
		{"200x200:pad:sharpen", Size{Width: 200, Height: 200, Pad: true, Sharpen: true}, "200x200-pad-sharpen"},
		{"200x200:sharpen", Size{Width: 200, Height: 200, Sharpen: true}, "200x200-sharpen"},
	} {
		got, err := ParseSize(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseSize(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
		if strings.Trim(got.Name(), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q: the name %q has other characters than a-z, 0-9 and -", tt.in, got.Name())
		}
		if got.String() != tt.in || got.Name() != tt.name {
			t.Errorf("%q: String %q, Name %q, want %q, %q", tt.in, got.String(), got.Name(), tt.in, tt.name)
		}
	}
}

func TestParseSizeRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "200", "x", "200x", "x200", "0x200", "200x0", "-1x5", "+1x5", "0200x200", "200x200x200", "200 x200", "200X200",
		"8193x1", "99999999999999999999x1", "200x200:", "200x200:crop", "200x200:fill:fill", "1e2x5",
		"200x200:top", "200x200:fill:middle", "200x200:fill:TOP", "200x200:fill:", "200x200:fill:top:", "200x200:fill:top:left", "200x200:fill:ffffff",
		"200x200:pad:top", "200x200:pad:fff", "200x200:pad:gggggg", "200x200:pad:fffffff", "200x200:pad:#ffffff", "200x200:pad:fill", "200x200:ffffff",
		"200x200:sharpen:fill", "200x200:sharpen:sharpen", "200x200:sharpen:2", "200x200:pad:sharpen:ffffff",
	} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %v, want an error", in, got)
		} else if !strings.Contains(err.Error(), `"`+in+`"`) {
			t.Errorf("ParseSize(%q): %v, want the error to name the input", in, err)
		} else if !strings.Contains(err.Error(), "want WxH, WxH:fill, WxH:fill:GRAVITY (center, topleft, top,") || !strings.Contains(err.Error(), "WxH:pad:RRGGBB") {
			t.Errorf("ParseSize(%q): %v, want the error to list the accepted forms", in, err)
		}
	}
}

func TestParseSizes(t *testing.T) {
	t.Parallel()
	got, err := ParseSizes("200x200, 800x600 ,200x200:fill")
	if err != nil || len(got) != 3 || got[2] != (Size{Width: 200, Height: 200, Fill: true}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = ParseSizes("200x200,0x1,200x200,ax3")
	if err == nil {
		t.Fatal("bad sizes were taken")
	}
	for _, want := range []string{"0x1", "named twice", "ax3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell of %q: all problems are reported at once", err, want)
		}
	}
	// Keys are made of names, which capital digits do not reach.
	_, err = ParseSizes("200x200:pad:FFFFFF, 300x200, 200x200:pad:ffffff")
	if err == nil || !strings.Contains(err.Error(), `"200x200-pad-ffffff"`) || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("two sizes with equal keys: got %v", err)
	}
	if _, err := ParseSizes(""); err == nil {
		t.Error("an empty list was taken")
	}
}

func TestSizeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size   string
		w, h   int
		tw, th int
		rule   string
	}{
		{"200x200", 1920, 1080, 200, 113, "16:9 is rounded to nearest: 112.5 is 113"},
		{"200x200", 1080, 1920, 113, 200, "the same upright"},
		{"200x200", 4000, 3000, 200, 150, "an exact fit"},
		{"200x100", 4000, 3000, 133, 100, "the box's lower side decides"},
		{"200x200", 100, 50, 100, 50, "never enlarged"},
		{"200x200", 200, 200, 200, 200, "already there"},
		{"200x200", 10000, 3, 200, 1, "at least one pixel"},
		{"200x200", 201, 10, 200, 10, "a side that hardly changes"},
		{"8192x8192", 1 << 30, 1, 8192, 1, "no overflow"},
		{"200x200:fill", 1920, 1080, 200, 200, "fill fills"},
		{"200x200:fill", 300, 100, 100, 100, "fill keeps its shape rather than enlarge"},
		{"200x100:fill", 150, 150, 150, 75, "the same with another shape"},
		{"200x200:fill", 200, 200, 200, 200, "exactly enough"},
		{"200x1:fill", 10, 10, 10, 1, "fill has at least one pixel"},
		{"200x200:fill:top", 1920, 1080, 200, 200, "a gravity fills"},
		{"200x200:fill:left", 300, 100, 100, 100, "a gravity keeps the shape rather than enlarge"},
		{"200x200:pad", 1920, 1080, 200, 200, "a padded box is exact"},
		{"200x200:pad:000000", 10, 20, 200, 200, "a padded box is exact around a small picture"},
		{"200x200:sharpen", 100, 50, 100, 50, "sharpening does not enlarge"},
	} {
		size, err := ParseSize(tt.size)
		if err != nil {
			t.Fatal(err)
		}
		if tw, th := size.Of(tt.w, tt.h); tw != tt.tw || th != tt.th {
			t.Errorf("%s of %dx%d = %dx%d, want %dx%d: %s", tt.size, tt.w, tt.h, tw, th, tt.tw, tt.th, tt.rule)
		}
	}
}

func TestCropKeepsShapeAndCentre(t *testing.T) {
	t.Parallel()
	for _, dim := range [][2]int{{1920, 1080}, {1080, 1920}, {333, 777}, {200, 200}, {50, 3000}} {
		s := Size{Width: 200, Height: 150, Fill: true}
		w, h := dim[0], dim[1]
		tw, th := s.Of(w, h)
		x, y, cw, ch := s.crop(w, h, tw, th)
		if x < 0 || y < 0 || x+cw > float64(w)+1e-9 || y+ch > float64(h)+1e-9 {
			t.Errorf("%dx%d: crop %g,%g %gx%g lies outside", w, h, x, y, cw, ch)
		}
		if math.Abs(cw/ch-float64(tw)/float64(th)) > 1e-9 {
			t.Errorf("%dx%d: crop %gx%g has another shape than %dx%d", w, h, cw, ch, tw, th)
		}
		if math.Abs(x+cw/2-float64(w)/2) > 1e-9 || math.Abs(y+ch/2-float64(h)/2) > 1e-9 {
			t.Errorf("%dx%d: crop is not centred", w, h)
		}
	}
}

func TestSizesWhoseFieldsContradictAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []Size{
		{Width: 5, Height: 5, Fill: true, Pad: true},
		{Width: 5, Height: 5, Gravity: Top},
		{Width: 5, Height: 5, Background: "ffffff"},
		{Width: 5, Height: 5, Fill: true, Gravity: "middle"},
		{Width: 5, Height: 5, Pad: true, Background: "FFFFFF"},
		{Width: 5, Height: 5, Pad: true, Background: "white"},
		{Width: 5, Height: 5, Pad: true, Gravity: Top},
	} {
		if err := (Options{Sizes: []Size{s}}).Validate(); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}
