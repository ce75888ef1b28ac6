package scaledjpeg

import (
	"bytes"
	"slices"
	"testing"
)

// lenient decodes a file strictly at every scale and compares its planes with
// those of another file.
func lenient(t *testing.T, got, want []byte) {
	t.Helper()
	for _, scale := range []int{1, 2, 4, 8} {
		o := Options{Scale: scale, Strict: true}
		w, err := Decode(bytes.NewReader(want), o)
		if err != nil {
			t.Fatal(err)
		}
		g, err := Decode(bytes.NewReader(got), o)
		if err != nil {
			t.Errorf("1/%d: %v", scale, err)
			continue
		}
		for i := range w.Planes {
			if !bytes.Equal(g.Planes[i].Pix, w.Planes[i].Pix) {
				t.Errorf("1/%d: plane %d differs", scale, i)
			}
		}
	}
}

func TestEqualComponentIdsCountInTheirOrder(t *testing.T) {
	t.Parallel()
	p := newPicture(40, 30, sampling420, 4)
	want := p.encode(writeOptions{})
	for i := range p.comps {
		p.comps[i].id = 1
	}
	lenient(t, p.encode(writeOptions{}), want)
}

func TestSegmentsOfImpossibleLengthAreEmpty(t *testing.T) {
	t.Parallel()
	want := newPicture(40, 30, sampling420, 4).encode(writeOptions{})
	for _, marker := range []byte{mCOM, mAPP0, mAPP1, mAPP2, 0xe5, mAPPE, mAPPF} {
		for length := range byte(2) {
			lenient(t, slices.Concat(want[:2], []byte{0xff, marker, 0, length}, want[2:]), want)
		}
	}
}

func TestAPictureThatLacksOnlyItsEndIsWhole(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptSpectral}, {progressive: true, script: scriptDeep}} {
		want := newPicture(70, 50, sampling420, 8).encode(o)
		lenient(t, want[:len(want)-2], want)
	}
}

// A scan that is missing is damage, even at the end of the file.
func TestAPictureThatLacksItsLastScanIsDamaged(t *testing.T) {
	t.Parallel()
	data := newPicture(70, 50, sampling420, 8).encode(writeOptions{progressive: true, script: scriptUsual})
	cut := data[:bytes.LastIndex(data, []byte{0xff, mDHT})]
	if m, err := Decode(bytes.NewReader(cut), Options{Strict: true}); m != nil || err == nil {
		t.Errorf("got image %v, error %v", m != nil, err)
	}
}
