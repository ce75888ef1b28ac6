package main

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noise(seed byte, amount int) *pixels {
	p := &pixels{w: 40, h: 30, rgb: make([]byte, 3*40*30)}
	v := uint32(seed)
	for i := range p.rgb {
		v = v*1664525 + 1013904223
		p.rgb[i] = byte(100 + i%50 + int(v>>24)*amount/256)
	}
	return p
}

func TestPSNR(t *testing.T) {
	t.Parallel()
	a := noise(1, 20)
	b := &pixels{w: a.w, h: a.h, rgb: bytes.Clone(a.rgb)}
	if got, err := psnr(a, b); err != nil || got != 99 {
		t.Errorf("equal pictures: got %v, %v, want 99", got, err)
	}
	for i := range b.rgb {
		b.rgb[i]++
	}
	if got, err := psnr(a, b); err != nil || math.Abs(got-48.13) > 0.01 {
		t.Errorf("one level apart: got %v, %v, want 48.13", got, err)
	}
	if _, err := psnr(a, &pixels{w: 1, h: 1, rgb: []byte{1, 2, 3}}); err == nil {
		t.Error("pictures of different size were compared")
	}
}

func TestSSIM(t *testing.T) {
	t.Parallel()
	a := noise(1, 60)
	same, err := ssim(a, a)
	if err != nil || math.Abs(same-1) > 1e-9 {
		t.Errorf("equal pictures: got %v, %v, want 1", same, err)
	}
	little, _ := ssim(a, noise(1, 62))
	much, _ := ssim(a, noise(9, 60))
	if !(little < 1 && much < little) {
		t.Errorf("got %v for a little noise, %v for other noise", little, much)
	}
}

func TestPixelsOf(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(3, 4, 5, 5))
	img.Set(4, 4, color.RGBA{9, 8, 7, 255})
	got := pixelsOf(img)
	if got.w != 2 || got.h != 1 || !bytes.Equal(got.rgb[3:], []byte{9, 8, 7}) {
		t.Errorf("got %+v", got)
	}
}

func TestBytesAtEqualSSIM(t *testing.T) {
	t.Parallel()
	theirs := []encoded{{1000, 0.90}, {2000, 0.95}, {4000, 0.99}}
	if got := bytesAtEqualSSIM(theirs, theirs); math.Abs(got-1) > 1e-9 {
		t.Errorf("the same files: got %v, want 1", got)
	}
	// A better picture in as many bytes is a smaller file at equal likeness.
	ours := []encoded{{1000, 0.92}, {2000, 0.96}, {4000, 0.995}}
	if got := bytesAtEqualSSIM(ours, theirs); got >= 1 || got < 0.5 {
		t.Errorf("better pictures: got %v, want less than 1", got)
	}
	if got := bytesAtEqualSSIM([]encoded{{1, 0.1}, {2, 0.2}}, theirs); got != 0 {
		t.Errorf("nothing in common: got %v, want 0", got)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p    promise
		want string
	}{
		{promise{promise: 0.4, beyond: 0.3, got: []float64{0.2, 0.35}}, "kept"},
		{promise{promise: 0.4, beyond: 0.3, got: []float64{0.2, 0.25}}, "beyond"},
		{promise{promise: 0.4, beyond: 0.3, got: []float64{0.2, 0.45}}, "MISSED"},
		{promise{promise: 0.4, beyond: 0.3, got: []float64{0.2, 0}}, "not measured"},
		{promise{promise: 0.4}, "not measured"},
		{promise{promise: 40, got: []float64{41, 50}, atLeast: true}, "kept"},
		{promise{promise: 40, got: []float64{39, 50}, atLeast: true}, "MISSED"},
		{promise{beyond: 48, got: []float64{49, 50}, atLeast: true}, "beyond"},
		{promise{beyond: 48, got: []float64{47, 50}, atLeast: true}, "not beyond"},
	} {
		if got := tt.p.verdict(); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.p, got, tt.want)
		}
	}
	var out bytes.Buffer
	missed := printPromises(&out, figures{})
	if strings.Count(out.String(), "not measured") != len(promises(figures{})) || missed != 0 {
		t.Errorf("nothing was measured, and it says %d are missed:\n%s", missed, out.String())
	}
	for _, e := range elsewhere {
		if !strings.Contains(out.String(), e.command) {
			t.Errorf("%q is not named in\n%s", e.command, out.String())
		}
	}
	out.Reset()
	if missed := printPromises(&out, figures{cores: 1.5, pipe: map[string]float64{"PNG 24 MP": 40}}); missed != 2 || strings.Count(out.String(), "MISSED") != 2 {
		t.Errorf("two are missed, and it says %d:\n%s", missed, out.String())
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	results := map[string]*measured{}
	for i, l := range linear {
		if got := growth(results); got != 0 {
			t.Errorf("%d of %d measured: got %v, want 0", i, len(linear), got)
		}
		results[l.name] = &measured{ms: map[string]float64{fromMemory: 2 * l.mp}}
	}
	if got := growth(results); math.Abs(got-1) > 1e-9 {
		t.Errorf("as many milliseconds a megapixel: got %v, want 1", got)
	}
	results["baseline 24 MP"].ms[fromMemory] *= 1.5
	if got := growth(results); math.Abs(got-1.5) > 1e-9 {
		t.Errorf("one of half as many more: got %v, want 1.5", got)
	}
}

// The bench must not rot: a peer that is always there makes a thumbnail.
func TestChildren(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "testdata", "images", "orientation-1-upright.jpg")
	if err := ours(file, 100, nil); err != nil {
		t.Error(err)
	}
	if ms, err := batch(file, 100, 4, nil); err != nil || ms <= 0 {
		t.Errorf("a batch: %v ms, %v", ms, err)
	}
	if err := naive(file, 100); err != nil {
		t.Error(err)
	}
	if peak() <= 0 {
		if _, err := os.Stat("/proc/self/status"); err == nil {
			t.Error("no peak memory")
		}
	}
	if cpu() <= 0 {
		t.Error("no CPU time")
	}
}
