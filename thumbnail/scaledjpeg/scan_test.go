package scaledjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// restarts returns the offsets of the restart markers.
func restarts(data []byte) (at []int) {
	start := bytes.Index(data, []byte{0xff, mSOS})
	for i := start; i < len(data)-1; i++ {
		if data[i] == 0xff && data[i+1] >= mRST0 && data[i+1] <= mRST7 {
			at = append(at, i)
		}
	}
	return at
}

// Damage stays inside its restart interval.
func TestResync(t *testing.T) {
	t.Parallel()
	p := newPicture(160, 80, sampling444, 3)
	p.restart = 10 // half a row: 20 intervals
	data := p.encode(writeOptions{})
	at := restarts(data)
	if len(at) != 19 {
		t.Fatalf("%d restart markers", len(at))
	}
	clean, err := Decode(bytes.NewReader(data), Options{Scale: 8})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(clean.Planes[0].Pix)
	tests := []struct {
		name string
		data []byte
		lost []int // intervals that may differ
	}{
		{"interval 4 is gone", join(data[:at[3]], data[at[4]:]), []int{4}},
		{"intervals 4 and 5 are gone", join(data[:at[3]], data[at[5]:]), []int{4, 5}},
		{"interval 4 came twice", join(data[:at[4]], data[at[3]:at[4]], data[at[4]:]), nil},
		{"interval 4 is empty", join(data[:at[3]+2], data[at[4]:]), []int{4}},
		{"interval 4 has more bytes", join(data[:at[4]], []byte{1, 2, 3, 4, 5}, data[at[4]:]), nil},
		{"marker 4 has another number", patched(data, at[3]+1, data[at[3]+1]^4), nil},
		{"interval 4 is ones", join(data[:at[3]+2], bytes.Repeat([]byte{0xff, 0}, 50), data[at[4]:]), []int{4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode(bytes.NewReader(tt.data), Options{Scale: 8})
			if m == nil {
				t.Fatal(err)
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
			if tt.lost != nil && err == nil {
				t.Error("the damage is not reported")
			}
			bad := map[int]bool{}
			for _, i := range tt.lost {
				bad[i] = true
			}
			for y := range 10 {
				for x := range 20 {
					if got := m.Planes[0].Pix[y*m.Planes[0].Stride+x]; got != want[y*20+x] && !bad[y*2+x/10] {
						t.Fatalf("(%d,%d), interval %d: got %d, want %d", x, y, y*2+x/10, got, want[y*20+x])
					}
				}
			}
		})
	}
}

func patched(data []byte, at int, b byte) []byte {
	data = bytes.Clone(data)
	data[at] = b
	return data
}

// A file cut anywhere behind its first scan header gives what was there, and
// says so; cut before, it gives no picture.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {script: scriptApart}, {progressive: true, script: scriptUsual}} {
		for _, restart := range []int{0, 2} {
			t.Run(fmt.Sprint(o.progressive, len(o.script), restart), func(t *testing.T) {
				t.Parallel()
				p := newPicture(70, 50, sampling420, 8)
				p.restart = restart
				data := p.encode(o)
				sos := bytes.Index(data, []byte{0xff, mSOS})
				var d Decoder
				for n := range len(data) - 2 {
					if n > sos+400 && n%5 != 0 {
						continue
					}
					for _, scale := range []int{8, 2, 1} {
						var m *Image
						_, err := d.ReadHeader(bytes.NewReader(data[:n]))
						if err == nil {
							m, err = d.Decode(Options{Scale: scale})
						}
						if err == nil && !o.progressive && n > len(data)-4 {
							continue // the last bits were padding
						}
						if !errors.Is(err, ErrTruncated) {
							t.Fatalf("%d of %d bytes: got %v, want ErrTruncated", n, len(data), err)
						}
						if n < sos+4 && m != nil || n > sos+16 && m == nil {
							t.Fatalf("%d of %d bytes, scan at %d: got image %v", n, len(data), sos, m != nil)
						}
					}
				}
			})
		}
	}
}

// The rows before the cut are right, those behind it are gray.
func TestTruncatedSamples(t *testing.T) {
	t.Parallel()
	p := newPicture(64, 200, sampling444, 5)
	data := p.encode(writeOptions{})
	m, err := Decode(bytes.NewReader(data[:len(data)*3/5]), Options{Scale: 8})
	if m == nil || !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	want, stride := p.plane(0, 8)
	pl := m.Planes[0]
	right, gray := 0, 0
	for y := range pl.H {
		for x := range pl.W {
			got := pl.Pix[y*pl.Stride+x]
			switch {
			case gray == 0 && float64(got)-want[y*stride+x] < .6 && want[y*stride+x]-float64(got) < .6:
				right++
			case got == 128:
				gray++
			case gray > 0:
				t.Fatalf("(%d,%d) is %d, behind the cut", x, y, got)
			}
		}
	}
	if right < 80 || gray < 40 {
		t.Errorf("%d samples are right, %d gray, of %d", right, gray, pl.W*pl.H)
	}
}

// Whatever single byte is wrong: no panic, an honest size, and a decoder that
// decodes the next picture as if nothing had been.
func TestDamagedBytes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	good := newPicture(40, 40, sampling420, 6)
	goodData := good.encode(writeOptions{})
	for _, o := range []writeOptions{{}, {dnl: true}, {script: scriptPair}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptDeep}} {
		p := newPicture(60, 44, sampling420, 6)
		p.restart = 3
		data := p.encode(o)
		var d Decoder
		for range 600 {
			bad := patched(data, 2+r.IntN(len(data)-2), byte(r.Uint32()))
			if r.IntN(3) == 0 {
				bad = patched(bad, 2+r.IntN(len(data)-2), 0xff)
			}
			h, err := d.ReadHeader(bytes.NewReader(bad))
			if err != nil {
				continue
			}
			o := Options{Scale: 1 << r.IntN(4), MaxPixels: 1 << 22}
			m, _ := d.Decode(o)
			if m != nil && (m.Width != h.Width || m.Height == 0) {
				t.Fatalf("got %dx%d, the header says %dx%d", m.Width, m.Height, h.Width, h.Height)
			}
		}
		if _, err := d.ReadHeader(bytes.NewReader(goodData)); err != nil {
			t.Fatal(err)
		}
		m, err := d.Decode(Options{Scale: 2})
		if err != nil {
			t.Fatal(err)
		}
		checkPlanes(t, good, m)
	}
}
