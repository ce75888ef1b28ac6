package scaledjpeg

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Whatever the bytes: no panic, no more memory than the budget, and a picture
// or an error.
func FuzzDecode(f *testing.F) {
	for _, s := range [][][2]int{samplingGray, sampling444, sampling420, {{4, 1}, {1, 1}, {2, 1}}} {
		p := newPicture(30, 20, s, 1)
		p.restart = 2
		f.Add(p.encode(writeOptions{}))
		f.Add(p.encode(writeOptions{dnl: true, adobe: 1}))
		if len(s) == 3 {
			f.Add(p.encode(writeOptions{progressive: true, script: scriptUsual}))
			f.Add(p.encode(writeOptions{progressive: true, script: scriptDeep}))
			f.Add(p.encode(writeOptions{script: scriptApart}))
		}
	}
	// Valid files with damage in their scans.
	for i, o := range []writeOptions{{}, {dnl: true}, {script: scriptPair}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptDeep}} {
		p := newPicture(40, 30, sampling420, 1)
		p.restart = i
		data := p.encode(o)
		scan := bytes.Index(data, []byte{0xff, mSOS}) + 14
		for n := scan; n < len(data); n += 1 + (len(data)-scan)/4 {
			f.Add(patched(data, n, 0xff))
			f.Add(patched(data, n, data[n]^0x10))
			f.Add(join(data[:n], data[min(n+9, len(data)):]))
		}
	}
	small, _ := filepath.Glob(filepath.Join(photos, "*.jpg"))
	for _, name := range small {
		if data, err := os.ReadFile(name); err == nil && len(data) < 30000 {
			f.Add(data)
		}
	}
	const budget = 8 << 20
	var d Decoder
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range []Options{
			{Scale: 8},
			{Scale: 8, FineChroma: true, Tolerance: 8},
			{Scale: 4, FineChroma: true},
			{Scale: 4, Tolerance: 8},
			{Scale: 2, Strict: true},
			{Scale: 1, Tolerance: 30},
		} {
			h, err := d.ReadHeader(bytes.NewReader(data))
			if err != nil {
				return
			}
			o.MaxPixels, o.MaxBytes, o.MaxScans = 1<<22, budget, 20
			m, err := d.Decode(o)
			if held := d.held() + fixedBytes; held > budget {
				t.Fatalf("%d bytes are held, the budget is %d", held, budget)
			}
			if m == nil {
				if err == nil {
					t.Fatal("neither picture nor error")
				}
				continue
			}
			if o.Strict && err != nil {
				t.Fatalf("a picture in spite of %v", err)
			}
			if m.Width != h.Width || m.Height == 0 || h.Height != 0 && m.Height != h.Height || m.MemoryBytes(o) > budget {
				t.Fatalf("%dx%d at 1/%d, the header said %dx%d", m.Width, m.Height, o.Scale, h.Width, h.Height)
			}
			for i, p := range m.Planes {
				if p.W > p.Stride || len(p.Pix) < (p.H-1)*p.Stride+p.W || float64(p.W) < p.ExtentW || float64(p.W) >= p.ExtentW+1 {
					t.Fatalf("plane %d: %d bytes, stride %d, %dx%d, extent %g", i, len(p.Pix), p.Stride, p.W, p.H, p.ExtentW)
				}
			}
			m.ToImage()
		}
	})
}

// Whatever the valid picture: the planes are what its coefficients say, at
// every scale, and at full size also what image/jpeg says.
func FuzzValid(f *testing.F) {
	f.Add(uint16(40), uint16(30), uint8(3), uint8(0), uint8(0), uint64(1))
	f.Add(uint16(17), uint16(33), uint8(3), uint8(2), uint8(3), uint64(2))
	f.Add(uint16(100), uint16(9), uint8(7), uint8(3), uint8(1), uint64(3))
	f.Add(uint16(64), uint16(64), uint8(12), uint8(1), uint8(2), uint64(4))
	scripts := []writeOptions{
		{},
		{script: scriptApart},
		{script: scriptPair},
		{progressive: true, script: scriptUsual},
		{progressive: true, script: scriptSpectral},
		{progressive: true, script: scriptDeep},
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, w, h uint16, sampling, script, restart uint8, seed uint64) {
		s := samplings[int(sampling)%len(samplings)]
		o := writeOptions{adobe: 1 + int(seed%3)}
		if len(s) == 3 {
			o = scripts[int(script)%len(scripts)]
			o.jfif = true
		}
		p := newPicture(1+int(w)%200, 1+int(h)%200, s, seed)
		p.restart = int(restart)
		if len(s) == 4 && o.adobe > 1 {
			p.model = YCCK
		}
		data := p.encode(o)
		checkScales(t, &d, p, data)
		againstImageJPEG(t, &d, data)
	})
}
