package scaledjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
		{"intervals 3 and 4 came twice", join(data[:at[4]], data[at[2]:at[4]], data[at[4]:]), nil},
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
// other byte. With restart markers only its interval is lost, and where it
// looks like a restart itself, three more; only a marker that may follow a scan
// ends it.
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
			step := 1
			if lighter() {
				step = 61
			}
			for b := 1 + seen%step; b < 0xff; b += step {
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

// Whatever byte of a scan's data has whatever value, as long as it makes no
// marker: only its interval is wrong, with runs of empty bands over its end
// too.
func TestDamageStaysInItsInterval(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptSpectral}} {
		p := newPicture(160, 80, sampling444, 3)
		p.restart = 10
		for i := range p.comps {
			for b := range p.comps[i].coef {
				if b/10%2 == 0 { // every other interval is flat: one run of empty bands
					clear(p.comps[i].coef[b][1:])
				}
			}
		}
		data := p.encode(o)
		clean, err := Decode(bytes.NewReader(data), Options{Scale: 2})
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		step := 3
		if lighter() {
			step = 101
		}
		for scan := 0; ; {
			next := bytes.Index(data[scan:], []byte{0xff, mSOS})
			if next < 0 {
				break
			}
			scan += next
			scan += 2 + int(data[scan+3])
			end := scan
			for data[end] != 0xff || !endsScan(data[end+1]) {
				end++
			}
			for at := scan; at < end; at += step {
				if data[at] == 0xff || data[at-1] == 0xff {
					continue
				}
				for _, b := range []byte{0, 0x0f, 0xf0, data[at] ^ 4, data[at] | 0x3f} {
					if b == 0xff {
						continue
					}
					if _, err := d.ReadHeader(bytes.NewReader(patched(data, at, b))); err != nil {
						t.Fatal(err)
					}
					m, _ := d.Decode(Options{Scale: 2})
					if n := wrongIntervals(m, clean); n > 1 {
						t.Fatalf("progressive %v, byte %d is %#x: %d intervals are wrong", o.progressive, at, b, n)
					}
				}
			}
		}
	}
}

// Errors in a scan's data name the byte: where it ended exactly, where it is
// wrong within what the reservoir holds.
func TestOffsetsInScans(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptSpectral}} {
		p := newPicture(200, 160, samplingGray, 3)
		if o.script != nil {
			o.script = []scanSpec{{[]int{0}, 0, 0, 0, 0}}
		}
		data := p.encode(o)
		scan := bytes.Index(data, []byte{0xff, mSOS})
		for at := scan + 40; at < len(data)-20; at += 37 {
			if data[at-1] == 0xff {
				continue
			}
			for _, tt := range []struct {
				name     string
				data     []byte
				from, to int
			}{
				{"cut", data[:at], at, at},
				{"EOI", join(data[:at], []byte{0xff, mEOI}), at, at},
				{"no code", join(data[:at], bytes.Repeat([]byte{0xff, 0}, 40), data[at:]), at, at + 20},
			} {
				_, err := Decode(bytes.NewReader(tt.data), Options{Scale: 4})
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Offset < int64(tt.from) || e.Offset > int64(tt.to) {
					t.Fatalf("progressive %v, %s at %d: got %v, want an offset of %d to %d", o.progressive, tt.name, at, err, tt.from, tt.to)
				}
			}
		}
	}
}

// wrongIntervals counts the intervals of 10 MCUs of 8 x 8 pixels, of 160 pixels
// a row, in which pictures at 1/2 differ.
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
		if got := testing.AllocsPerRun(2, func() { decode(many[name], Options{}) }); got > want+50 { // the runtime has some of its own
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
				// The refinement of DC is the last scan of three components.
				lastDC := bytes.LastIndex(data, []byte{0xff, mSOS, 0, 12})
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
						if err == nil && n > len(data)-4 {
							continue // the last bits were padding
						}
						if err == nil && o.progressive && scale == 8 && n > lastDC {
							continue // what is missing does not matter
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

// The samples before the cut are right, those behind it are gray, and there is
// one MCU between them at most.
func TestTruncatedSamples(t *testing.T) {
	t.Parallel()
	p := newPicture(64, 200, sampling444, 5)
	data := p.encode(writeOptions{})
	m, err := Decode(bytes.NewReader(data[:len(data)*3/5]), Options{Scale: 8})
	if m == nil || !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	for i, pl := range m.Planes {
		want, stride := p.plane(i, 8)
		right := 0
		for right < pl.W*pl.H && math.Abs(float64(pl.Pix[right/pl.W*pl.Stride+right%pl.W])-want[right/pl.W*stride+right%pl.W]) < .6 {
			right++
		}
		if right < 80 || right > 160 {
			t.Errorf("plane %d: the first %d samples are right, of %d, of three fifths of the bytes", i, right, pl.W*pl.H)
		}
		for j := right + 1; j < pl.W*pl.H; j++ {
			if got := pl.Pix[j/pl.W*pl.Stride+j%pl.W]; got != 128 {
				t.Fatalf("plane %d: sample %d is %d, behind the cut at %d", i, j, got, right)
			}
		}
	}
}

// A progressive picture that is cut between two scans is what the scans before
// tell, with the bits that are missing put in the middle.
func TestTruncatedProgressive(t *testing.T) {
	t.Parallel()
	for _, script := range [][]scanSpec{scriptUsual, scriptDeep, scriptSpectral} {
		p := newPicture(90, 60, sampling420, 3)
		for i := range p.comps { // so coarse that a missing bit of DC shows
			c := &p.comps[i]
			for b := range c.coef {
				c.coef[b][0] = c.coef[b][0] * int32(p.quant[c.tq][0]) / 40
			}
		}
		p.quant[0][0], p.quant[1][0] = 40, 40
		data := p.encode(writeOptions{progressive: true, script: script})
		at := 0
		for n := range len(script) {
			next := bytes.Index(data[at+2:], []byte{0xff, mSOS})
			if at += 2 + next; next < 0 {
				t.Fatal("a scan is missing")
			}
			if n < 4 {
				continue // every component has its DC by then
			}
			sent := script[:n]
			for _, scale := range []int{8, 4, 2, 1} {
				m, err := Decode(bytes.NewReader(data[:at]), Options{Scale: scale})
				complete := scale == 8 && !slices.ContainsFunc(script[n:], func(s scanSpec) bool { return s.ss == 0 })
				if m == nil || errors.Is(err, ErrTruncated) == complete {
					t.Fatalf("cut before scan %d: got image %v, error %v; want one and ErrTruncated", n, m != nil, err)
				}
				cut := *p
				cut.low = func(i, k int) int {
					low := 15 // nothing is known: the value is nothing
					for _, s := range sent {
						if slices.Contains(s.comps, i) && s.ss <= k && k <= s.se {
							low = s.al
						}
					}
					return low
				}
				checkPlanes(t, &cut, m)
			}
		}
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
