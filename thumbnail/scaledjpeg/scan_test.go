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

// One byte of a scan's data becomes a marker: 0xff 0x00 becomes 0xff and any
// other byte. With restart markers only its interval is lost, and where it looks
// like a restart itself, three more; only a marker that may follow a scan ends it.
func TestResyncSweep(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptSpectral}} {
		p := newPicture(160, 80, sampling444, 3)
		p.restart = 10
		data := p.encode(o)
		clean, err := Decode(bytes.NewReader(data), Options{Scale: 2})
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		seen := 0
		for at := bytes.Index(data, []byte{0xff, mSOS}); at < len(data)-1; at++ {
			if data[at] != 0xff || data[at+1] != 0 {
				continue
			}
			seen++
			for b := 1; b < 0xff; b++ {
				if _, err := d.ReadHeader(bytes.NewReader(patched(data, at+1, byte(b)))); err != nil {
					t.Fatal(err)
				}
				m, err := d.Decode(Options{Scale: 2})
				if m == nil || !errors.Is(err, ErrCorrupt) && !endsScan(byte(b)) {
					t.Fatalf("byte %d is 0xff %#x: got image %v, error %v; want one and ErrCorrupt", at, b, m != nil, err)
				}
				most := 1
				if byte(b) >= mRST0 && byte(b) <= mRST7 {
					most = 4
				}
				if n := wrongIntervals(m, clean); n > most && !endsScan(byte(b)) {
					t.Errorf("progressive %v, byte %d is 0xff %#x: %d intervals are wrong, want at most %d", o.progressive, at, b, n, most)
				}
			}
		}
		if seen < 5 {
			t.Fatalf("%d stuffed bytes are no sweep", seen)
		}
	}
}

// wrongIntervals counts the intervals of 10 MCUs of 8 x 8 pixels, of 160 pixels a
// row, in which pictures at 1/2 differ.
func wrongIntervals(a, b *Image) int {
	bad := map[int]bool{}
	for i, p := range b.Planes {
		for y := range p.H {
			for x := range p.W {
				if a.Planes[i].Pix[y*p.Stride+x] != p.Pix[y*p.Stride+x] {
					bad[y/4*2+x/40] = true
				}
			}
		}
	}
	return len(bad)
}

func patched(data []byte, at int, b byte) []byte {
	data = bytes.Clone(data)
	data[at] = b
	return data
}

// bombs are files of damage and nothing else, n markers each.
func bombs(n int) map[string][]byte {
	p := newPicture(64, 64, samplingGray, 1)
	p.restart = 1
	head := p.encode(writeOptions{})
	head = patch(head, mSOF0, 3, 0x3f, 0xff, 0x3f, 0xff)
	head = head[:bytes.Index(head, []byte{0xff, mSOS})+2+8+1] // a byte of data
	progressive := patch(patch(head, mSOF0, -1, mSOF2), mSOS, 5, 0, 0, 0)
	var cycle []byte
	for i := range n {
		cycle = append(cycle, 0xff, mRST0+byte(i&7))
	}
	return map[string][]byte{
		"the same restart": join(head, bytes.Repeat([]byte{0xff, mRST7}, n)),
		"empty intervals":  join(head, cycle),
		"no markers":       join(head, bytes.Repeat([]byte{0xff, 2}, n)),
		"progressive":      join(progressive, cycle),
	}
}

// What is done about damage is done once: a file of it costs no more than its
// bytes. With Strict it does not even cost those.
func TestDamageIsCheap(t *testing.T) {
	few, many := bombs(100), bombs(100_000)
	for name := range few {
		var d Decoder
		decode := func(data []byte, o Options) (read int) {
			r := bytes.NewReader(data)
			if _, err := d.ReadHeader(r); err != nil {
				t.Fatal(err)
			}
			o.Scale = 8
			m, err := d.Decode(o)
			if errors.Is(err, ErrCorrupt) == errors.Is(err, ErrTruncated) || (m == nil) != o.Strict {
				t.Fatalf("%s: got image %v, error %v", name, m != nil, err)
			}
			return len(data) - r.Len()
		}
		decode(many[name], Options{})
		want := testing.AllocsPerRun(2, func() { decode(few[name], Options{}) })
		if got := testing.AllocsPerRun(2, func() { decode(many[name], Options{}) }); got > want {
			t.Errorf("%s: %.0f allocations for 100,000 faults, %.0f for 100", name, got, want)
		}
		if read := decode(many[name], Options{Strict: true}); read > rawSize {
			t.Errorf("%s, strict: %d bytes were read behind a fault in the first %d", name, read, rawSize)
		}
	}
}

// Strict takes what is whole, and of what is damaged gives the error alone.
func TestStrict(t *testing.T) {
	t.Parallel()
	p := newPicture(70, 50, sampling420, 8)
	p.restart = 2
	for _, o := range []writeOptions{{}, {script: scriptApart}, {dnl: true}, {progressive: true, script: scriptUsual}} {
		data := p.encode(o)
		m, err := Decode(bytes.NewReader(data), Options{Scale: 2, Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		checkPlanes(t, p, m)
		at := restarts(data)[0]
		for name, bad := range map[string][]byte{
			"cut":            data[:len(data)*3/4],
			"restart":        patched(data, at+1, data[at+1]^5),
			"no such marker": patched(data, at+1, 2),
			"second DQT":     insert(data, mSOS, segment(mDQT, "\x05")...),
		} {
			_, want := Decode(bytes.NewReader(bad), Options{Scale: 2})
			m, err := Decode(bytes.NewReader(bad), Options{Scale: 2, Strict: true})
			if m != nil || err == nil || err.Error() != want.Error() {
				t.Errorf("%v, %s: got image %v, error %v; want %v alone", o, name, m != nil, err, want)
			}
		}
	}
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
