package scaledjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// cut removes the first segment with marker m.
func cut(data []byte, m byte) []byte {
	i := bytes.Index(data, []byte{0xff, m})
	n := 2 + int(data[i+2])<<8 + int(data[i+3])
	return join(data[:i], data[i+n:])
}

// patch writes b at offset n behind the first marker m.
func patch(data []byte, m byte, n int, b ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[bytes.Index(data, []byte{0xff, m})+2+n:], b)
	return data
}

// insert puts b before the first marker m.
func insert(data []byte, m byte, b ...byte) []byte {
	i := bytes.Index(data, []byte{0xff, m})
	return join(data[:i], b, data[i:])
}

func TestRefused(t *testing.T) {
	t.Parallel()
	good := newPicture(33, 20, sampling420, 1).encode(writeOptions{})
	progressive := newPicture(33, 20, sampling420, 1).encode(writeOptions{progressive: true, script: scriptUsual})
	full := append([]byte{0, 2, 1}, make([]byte, 14)...) // 2 codes of 1 bit, 1 of 2
	dht := segment(mDHT, string(append(full, 1, 2, 3)))
	tests := []struct {
		name string
		data []byte
		kind error
		text string
		at   int64
	}{
		{"nothing", nil, ErrTruncated, "no picture", 0},
		{"a byte", []byte{0xff}, ErrTruncated, "no picture", 1},
		{"PNG", []byte("\x89PNG\r\n\x1a\n"), ErrCorrupt, "does not begin as a JPEG", 0},
		{"SOI alone", []byte{0xff, 0xd8}, ErrTruncated, "no scan", 2},
		{"SOI, EOI", []byte{0xff, 0xd8, 0xff, 0xd9}, ErrCorrupt, "no frame before EOI", 4},
		{"no frame", cut(good, mSOF0), ErrCorrupt, "no frame before SOS", 274},
		{"an AC table of no code", insert(good, mSOS, segment(mDHT, "\x10"+string(make([]byte, 16)))...), ErrCorrupt, "AC table 0: 0 codes", 312},
		{"two frames", insert(good, mSOS, good[bytes.Index(good, []byte{0xff, mSOF0}):bytes.Index(good, []byte{0xff, mDHT})]...), ErrCorrupt, "second frame", 295},
		{"12 bits", patch(good, mSOF0, 2, 12), ErrUnsupported, "12-bit", 150},
		{"lossless", patch(good, mSOF0, -1, 0xc3), ErrUnsupported, "lossless", 140},
		{"hierarchical", patch(good, mSOF0, -1, 0xc5), ErrUnsupported, "hierarchical", 140},
		{"arithmetic", patch(good, mSOF0, -1, 0xc9), ErrUnsupported, "arithmetic", 140},
		{"arithmetic, progressive", patch(good, mSOF0, -1, 0xca), ErrUnsupported, "arithmetic", 140},
		{"JPEG-LS", patch(good, mSOF0, -1, 0xf7), ErrUnsupported, "JPEG-LS", 140},
		{"two components", patch(good, mSOF0, 7, 2), ErrUnsupported, "2 components", 150},
		{"no width", patch(good, mSOF0, 5, 0, 0), ErrCorrupt, "no width", 150},
		{"sampling 0", patch(good, mSOF0, 9, 0x20), ErrCorrupt, "sampling 2x0", 153},
		{"sampling 5", patch(good, mSOF0, 9, 0x52), ErrCorrupt, "sampling 5x2", 153},
		{"quantisation table 4", patch(good, mSOF0, 10, 4), ErrCorrupt, "quantisation table 4", 153},
		{"short frame", patch(good, mSOF0, 0, 0, 10), ErrCorrupt, "frame header", 150},
		{"length 1", patch(good, mSOF0, 0, 0, 1), ErrCorrupt, "impossible length", 140},
		{"DQT precision", patch(good, mDQT, 2, 0x20), ErrCorrupt, "precision 2", 7},
		{"DQT too short", patch(good, mDQT, 0, 0, 60), ErrCorrupt, "DQT: too short", 7},
		{"no DQT", cut(cut(good, mDQT), mDQT), ErrCorrupt, "quantisation table 0 is missing", 167},
		{"one DQT", patch(good, mDQT, 2, 3), ErrCorrupt, "quantisation table 0 is missing", 305},
		{"DHT of no code", insert(good, mSOS, segment(mDHT, string(make([]byte, 17)))...), ErrCorrupt, "0 codes", 312},
		{"DHT class", patch(good, mDHT, 2, 0x20), ErrCorrupt, "class 2", 180},
		{"oversubscribed DHT", insert(good, mSOS, dht...), ErrCorrupt, "DC table 0: more codes of 2 bits", 315},
		{"DC size", insert(good, mSOS, segment(mDHT, string(append([]byte{0, 1}, append(make([]byte, 15), 16)...)))...), ErrCorrupt, "DC size 16", 313},
		{"no DC table", patch(good, mSOS, 4, 0x20), ErrCorrupt, "DC table 2 is missing", 305},
		{"no AC table", patch(good, mSOS, 4, 0x03), ErrCorrupt, "AC table 3 is missing", 305},
		{"table 5", patch(good, mSOS, 4, 0x50), ErrCorrupt, "Huffman tables 5", 305},
		{"unknown component", patch(good, mSOS, 3, 9), ErrCorrupt, "unknown component 9", 305},
		{"component twice", patch(good, mSOS, 5, 1), ErrCorrupt, "component 1 twice", 305},
		{"scan of 5", patch(good, mSOS, 2, 5), ErrCorrupt, "5 components", 296},
		{"DRI too short", insert(good, mSOS, segment(mDRI, "\x00")...), ErrCorrupt, "DRI", 295},
		{"progressive, DC and AC", patch(progressive, mSOS, 10, 5), ErrCorrupt, "coefficients 0 to 5", 225},
		{"progressive, a bit that no coefficient has", patch(progressive, mSOS, 11, 0x0e), ErrCorrupt, "bits 0 to 14", 225},
		{"progressive, AC of three components", patch(progressive, mSOS, 9, 1, 5), ErrCorrupt, "coefficients 1 to 5, 3 components", 225},
		{"progressive, bits", patch(progressive, mSOS, 11, 0x31), ErrCorrupt, "bits 3 to 1", 225},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode(bytes.NewReader(tt.data), Options{})
			if m != nil || !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("got image %v, error %v; want %v with %q", m != nil, err, tt.kind, tt.text)
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Offset != tt.at {
				t.Errorf("got %#v, want an *Error at byte %d", err, tt.at)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	p := newPicture(100, 80, sampling420, 1)
	files := map[string][]byte{
		"baseline":    p.encode(writeOptions{}),
		"progressive": p.encode(writeOptions{progressive: true, script: scriptUsual}),
		"late height": p.encode(writeOptions{dnl: true}),
	}
	for name, data := range files {
		var h Header
		h, err := DecodeHeader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		need := h.MemoryBytes(Options{Scale: 2})
		for _, tt := range []struct {
			name, setting string
			o             Options
			pass          bool
		}{
			{"pixels", "MaxPixels", Options{Scale: 2, MaxPixels: 7999}, false},
			{"enough pixels", "", Options{Scale: 2, MaxPixels: 100 * 65535}, true},
			{"bytes", "MaxBytes", Options{Scale: 2, MaxBytes: fixedBytes}, false},
			{"enough bytes", "", Options{Scale: 2, MaxBytes: need}, true},
			{"scans", "MaxScans", Options{Scale: 2, MaxScans: 9}, name != "progressive"},
			{"enough scans", "", Options{Scale: 2, MaxScans: 10}, true},
		} {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				m, err := Decode(bytes.NewReader(data), tt.o)
				if tt.pass {
					if err != nil {
						t.Fatal(err)
					}
					checkPlanes(t, p, m)
					return
				}
				e, ok := errors.AsType[*LimitError](err)
				if m != nil || !ok || !errors.Is(err, ErrLimit) || e.Setting != tt.setting || e.Need <= e.Limit {
					t.Fatalf("got image %v, error %v; want %s over its limit", m != nil, err, tt.setting)
				}
			})
		}
	}
}

// A file of many scans of nothing is refused by their number.
func TestScanBomb(t *testing.T) {
	t.Parallel()
	p := newPicture(64, 64, sampling420, 1)
	script := append([]scanSpec{}, scriptDeep...)
	data := p.encode(writeOptions{progressive: true, script: script})
	data = data[:len(data)-2]
	scan := segment(mSOS, "\x01\x01\x00\x01\x3f\x00")
	data = join(data, bytes.Repeat(scan, 200), []byte{0xff, mEOI})
	// At 1/8 DC is all there is to know, and the bomb lies behind it.
	m, err := Decode(bytes.NewReader(data), Options{Scale: 8})
	if err != nil {
		t.Fatal(err)
	}
	checkPlanes(t, p, m)
	for _, scale := range []int{1, 4} {
		_, err := Decode(bytes.NewReader(data), Options{Scale: scale})
		if e, ok := errors.AsType[*LimitError](err); !ok || e.Need != 101 || e.Limit != 100 {
			t.Errorf("1/%d: got %v, want over 100 scans", scale, err)
		}
	}
}

// Of a progressive picture at 1/8 nothing is read behind the last bit of DC.
func TestReadsNoFurtherThanDC(t *testing.T) {
	t.Parallel()
	p := newPicture(640, 480, sampling420, 1)
	for _, script := range [][]scanSpec{scriptUsual, scriptSpectral, {{[]int{0, 1, 2}, 0, 0, 0, 0}, {[]int{0}, 1, 63, 0, 0}}} {
		data := p.encode(writeOptions{progressive: true, script: script})
		last, at := 0, 0 // the scan behind the last of DC
		for i := range script {
			at += 2 + bytes.Index(data[at+2:], []byte{0xff, mSOS})
			if i > 0 && script[i-1].ss == 0 {
				last = at
			}
		}
		read := &counter{r: bytes.NewReader(data)}
		m, err := Decode(iotest.OneByteReader(read), Options{Scale: 8})
		if err != nil {
			t.Fatal(err)
		}
		checkPlanes(t, p, m)
		if read.n > last {
			t.Errorf("%d bytes were read, the next scan is at %d of %d", read.n, last, len(data))
		}
	}
}

// counter counts the bytes that are read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// The reader's own error is neither truncation nor corruption: the same bytes
// may come whole next time.
func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("line broken")
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}, {dnl: true}} {
		p := newPicture(60, 60, sampling444, 2)
		p.restart = 2
		data := p.encode(o)
		for n := 0; n < len(data)-2; n += 7 {
			r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
			m, err := Decode(r, Options{Scale: 4})
			if n > len(data)-40 && err == nil {
				continue // all that matters was read
			}
			if m != nil || !errors.Is(err, broken) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d of %d bytes: got image %v, error %v; want the reader's", n, len(data), m != nil, err)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Offset != int64(n) {
				t.Fatalf("%d of %d bytes: got %v, want offset %d", n, len(data), err, n)
			}
		}
	}
	if _, err := Decode(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader([]byte{0xff, mSOI}))), Options{}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, want the reader's timeout", err)
	}
	if _, err := Decode(stuck{}, Options{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want io.ErrNoProgress", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// Nothing of these harms a picture.
func TestTolerated(t *testing.T) {
	t.Parallel()
	p := newPicture(50, 40, sampling420, 4)
	p.restart = 2
	good := p.encode(writeOptions{})
	progressive := p.encode(writeOptions{progressive: true, script: scriptUsual})
	var other bytes.Buffer
	other.Write(newPicture(90, 90, sampling444, 9).encode(writeOptions{}))
	eoi := []byte{0xff, mEOI}
	oversubscribed := append([]byte{3, 2, 1}, make([]byte, 14)...)
	tests := map[string][]byte{
		"an unused table of too many codes": insert(good, mSOS, segment(mDHT, string(append(oversubscribed, 1, 2, 3)))...),
		"an unused table of no code":        insert(good, mSOS, segment(mDHT, "\x13"+string(make([]byte, 16)))...),
		"an unused table of DC size 16":     insert(good, mSOS, segment(mDHT, "\x03\x01"+string(make([]byte, 15))+"\x10")...),
		"a bad table that is redefined":     insert(good, mDHT, segment(mDHT, "\x10"+string(make([]byte, 16)))...),
		"conditioning of arithmetic coding": insert(good, mDQT, segment(mDAC, "\x00\x00")...),
		"a second picture behind":           join(good, other.Bytes()),
		"and behind progressive":            join(progressive, other.Bytes()),
		"garbage behind":                    join(good, []byte("garbage")),
		"no EOI":                            good[:len(good)-2],
		"SOI twice":                         insert(good, mDQT, 0xff, mSOI),
		"garbage between segments":          insert(good, mDQT, 1, 2, 3),
		"unknown segments":                  insert(good, mDQT, join(segment(0xf0, "x"), segment(0xfe, "comment"), segment(0xe5, "APP5"))...),
		"fill bytes":                        p.encode(writeOptions{fill: 3}),
		"fill bytes before restarts":        replaceInScan(good, func(b byte) bool { return b >= mRST0 && b <= mRST7 }),
		"fill bytes before a zero":          replaceInScan(good, func(b byte) bool { return b == 0 }),
		"fill bytes, progressive":           replaceInScan(progressive, func(b byte) bool { return b == 0 || b >= mRST0 && b <= mRST7 }),
		"zeros before EOI":                  join(good[:len(good)-2], make([]byte, 300), eoi),
		"late height":                       p.encode(writeOptions{dnl: true}),
		"late height, progressive":          p.encode(writeOptions{dnl: true, progressive: true, script: scriptUsual}),
		"late height, apart":                p.encode(writeOptions{dnl: true, script: scriptApart}),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, scale := range []int{8, 2} {
				m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
				if err != nil {
					t.Fatal(err)
				}
				checkPlanes(t, p, m)
			}
		})
	}
}

// replaceInScan puts two fill bytes before each 0xff of a scan that is followed
// by such a byte.
func replaceInScan(data []byte, follows func(byte) bool) (out []byte) {
	scan := bytes.Index(data, []byte{0xff, mSOS})
	out = append(out, data[:scan]...)
	for i := scan; i < len(data); i++ {
		if data[i] == 0xff && i+1 < len(data) && follows(data[i+1]) {
			out = append(out, 0xff, 0xff)
		}
		out = append(out, data[i])
	}
	return out
}

// A component keeps the quantisation of its first scan; others take what is
// defined by theirs.
func TestTablesBetweenScans(t *testing.T) {
	t.Parallel()
	p := newPicture(70, 40, sampling420, 4)
	other := segment(mDQT, "\x00"+strings.Repeat("\x31", 64)+"\x01"+strings.Repeat("\x17", 64))
	for _, o := range []writeOptions{{script: scriptApart}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptSpectral}} {
		data := p.encode(o)
		at := bytes.Index(data, []byte{0xff, mSOS})
		at += 2 + bytes.Index(data[at+2:], []byte{0xff, mSOS}) // the second scan
		data = join(data[:at], other, data[at:])
		want := *p
		want.comps = slices.Clone(p.comps)
		for k := range 64 {
			want.quant[2][k], want.quant[3][k] = 0x31, 0x17
		}
		for i := range want.comps {
			if !slices.Contains(o.script[0].comps, i) {
				want.comps[i].tq += 2
			}
		}
		for _, scale := range []int{8, 2} {
			m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
			if err != nil {
				t.Fatal(err)
			}
			checkPlanes(t, &want, m)
		}
	}
}

// A late height that is larger than what was decoded is held against the
// limits.
func TestLateHeightIsALimit(t *testing.T) {
	t.Parallel()
	data := patch(newPicture(60, 50, sampling420, 7).encode(writeOptions{dnl: true}), mDNL, 2, 0xff, 0xff)
	for _, o := range []Options{{MaxPixels: 60 * 1000}, {MaxBytes: 600 << 10}} {
		m, err := Decode(bytes.NewReader(data), o)
		if m != nil || !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: got image %v, error %v; want ErrLimit", o, m != nil, err)
		}
	}
}

// Motion JPEG leaves out its Huffman tables: they are those of T.81, K.3, which
// image/jpeg writes too. A file that has some of its tables lost the others.
func TestNoHuffmanTables(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(0, 0, 100, 70))
	for i := range img.Pix {
		img.Pix[i] = byte(i*i>>7 ^ i<<2)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	data := cut(b.Bytes(), mDHT) // all four are in one segment
	if bytes.Contains(data, []byte{0xff, mDHT}) {
		t.Fatal("there still is a table")
	}
	var d Decoder
	for _, scale := range []int{8, 1} {
		want, err := Decode(bytes.NewReader(b.Bytes()), Options{Scale: scale})
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range [][]byte{nil, newPicture(40, 40, sampling420, 1).encode(writeOptions{})} {
			if before != nil {
				if _, err := d.ReadHeader(bytes.NewReader(before)); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Decode(Options{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.ReadHeader(bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			got, err := d.Decode(Options{Scale: scale})
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Planes {
				if !bytes.Equal(got.Planes[i].Pix, want.Planes[i].Pix) {
					t.Errorf("1/%d: plane %d differs from that with tables", scale, i)
				}
			}
		}
	}
	progressive := newPicture(33, 20, samplingGray, 1).encode(writeOptions{progressive: true, script: []scanSpec{{[]int{0}, 0, 0, 0, 0}}})
	if _, err := Decode(bytes.NewReader(cut(progressive, mDHT)), Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("progressive without a table: got %v, want ErrCorrupt", err)
	}
}

// A height that comes late, of a picture that outgrows the first guess.
func TestLateHeight(t *testing.T) {
	t.Parallel()
	for _, restart := range []int{0, 3} {
		p := newPicture(20, 1500, sampling420, 7)
		p.restart = restart
		for _, o := range []writeOptions{{dnl: true}, {dnl: true, script: scriptApart}, {dnl: true, progressive: true, script: scriptUsual}} {
			data := p.encode(o)
			h, err := DecodeHeader(bytes.NewReader(data))
			if err != nil || h.Height != 0 {
				t.Fatalf("got height %d, error %v; want 0 before the first scan", h.Height, err)
			}
			var d Decoder
			for _, scale := range []int{8, 4, 1} {
				if _, err := d.ReadHeader(bytes.NewReader(data)); err != nil {
					t.Fatal(err)
				}
				m, err := d.Decode(Options{Scale: scale})
				if err != nil {
					t.Fatal(err)
				}
				checkPlanes(t, p, m)
			}
			m, err := Decode(bytes.NewReader(cut(data, mDNL)), Options{})
			if m != nil || !errors.Is(err, ErrCorrupt) {
				t.Errorf("without the DNL: got image %v, error %v; want ErrCorrupt", m != nil, err)
			}
		}
	}
}

// Room for a late height is taken as the limits allow it: a picture that is
// within them is decoded, though twice the rows that were there would not be.
func TestLateHeightAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, restart := range []int{0, 7} {
		p := newPicture(60, 1000, sampling420, 7)
		p.restart = restart
		for i, o := range []writeOptions{{dnl: true}, {dnl: true, script: scriptApart}, {dnl: true, progressive: true, script: scriptUsual}} {
			data := p.encode(o)
			for _, scale := range []int{8, 2} {
				m, err := Decode(bytes.NewReader(data), Options{Scale: scale, MaxPixels: 60 * 1000})
				if err != nil {
					t.Fatalf("script %d at 1/%d: %v", i, scale, err)
				}
				checkPlanes(t, p, m)
				m, err = Decode(bytes.NewReader(data), Options{Scale: scale, MaxPixels: 60*1000 - 1})
				if e, ok := errors.AsType[*LimitError](err); m != nil || !ok || e.Setting != "MaxPixels" || e.Need <= e.Limit {
					t.Errorf("script %d at 1/%d, a pixel too few: got image %v, error %v", i, scale, m != nil, err)
				}
				// Rows that are there and more are held at once while they
				// grow.
				h := header(t, data)
				h.Height = 1000
				enough := 2 * h.MemoryBytes(Options{Scale: scale})
				if m, err = Decode(bytes.NewReader(data), Options{Scale: scale, MaxBytes: enough}); err != nil {
					t.Fatalf("script %d at 1/%d, %d bytes: %v", i, scale, enough, err)
				}
				checkPlanes(t, p, m)
			}
		}
	}
}

func header(t *testing.T, data []byte) Header {
	t.Helper()
	h, err := DecodeHeader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A scan header without a byte of data is no picture.
func TestNothingDecoded(t *testing.T) {
	t.Parallel()
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}} {
		data := newPicture(64, 64, sampling444, 1).encode(o)
		sos := bytes.Index(data, []byte{0xff, mSOS})
		behind := sos + 2 + int(data[sos+3])
		for _, tail := range [][]byte{nil, {0xff}, {0xff, mEOI}, {0xff, mRST0}} {
			m, err := Decode(bytes.NewReader(join(data[:behind], tail)), Options{Scale: 8})
			if m != nil || !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("progressive %v, no data and %x: got image %v, error %v", o.progressive, tail, m != nil, err)
			}
		}
		if m, err := Decode(bytes.NewReader(data[:behind+1]), Options{Scale: 8}); m == nil || !errors.Is(err, ErrTruncated) {
			t.Errorf("progressive %v, a byte of data: got image %v, error %v", o.progressive, m != nil, err)
		}
	}
}

// A picture without tables does not get those of the picture before.
func TestNoBorrowedTables(t *testing.T) {
	t.Parallel()
	good := newPicture(33, 20, samplingGray, 1).encode(writeOptions{})
	for name, data := range map[string][]byte{
		"quantisation table 0": cut(good, mDQT),
		"DC table 0":           cut(good, mDHT),
		"AC table 0":           patch(good, mSOS, 4, 0x01), // AC table 1 is not there either
	} {
		var d Decoder
		for _, first := range [][]byte{good, newPicture(33, 20, sampling420, 1).encode(writeOptions{})} {
			if _, err := d.ReadHeader(bytes.NewReader(first)); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Decode(Options{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := d.ReadHeader(bytes.NewReader(data))
		if err == nil {
			_, err = d.Decode(Options{})
		}
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

// The late height is found behind restart markers: of a scan that is jumped
// over, and one too many.
func TestLateHeightBehindRestarts(t *testing.T) {
	t.Parallel()
	p := newPicture(90, 70, sampling420, 7)
	p.restart = 4
	acFirst := []scanSpec{{[]int{0}, 1, 63, 0, 0}, {[]int{0, 1, 2}, 0, 0, 0, 0}, {[]int{1}, 1, 63, 0, 0}, {[]int{2}, 1, 63, 0, 0}}
	var d Decoder
	checkScales(t, &d, p, p.encode(writeOptions{dnl: true, progressive: true, script: acFirst}))

	for _, o := range []writeOptions{{dnl: true}, {dnl: true, script: scriptApart}} {
		data := insert(p.encode(o), mDNL, 0xff, mRST0+5)
		for _, scale := range []int{8, 1} {
			m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
			if m == nil {
				t.Fatal(err)
			}
			if m.Height != p.h {
				t.Errorf("1/%d: height %d, want %d", scale, m.Height, p.h)
			}
		}
	}
}
