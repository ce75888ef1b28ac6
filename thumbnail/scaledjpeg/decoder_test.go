package scaledjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"sluice/thumbnail/internal/testpicture"
)

// photos holds real photographs, outside the project. They add to the pictures
// that testpicture makes.
const photos = "../../../shared/photos"

// photo returns a photograph, or false where the photographs are absent.
func photo(t testing.TB, name string) ([]byte, bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(photos, name))
	if os.IsNotExist(err) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return data, true
}

// camera is a made picture with the statistics of a photograph.
func camera(w, h int, progressive bool) []byte {
	return testpicture.JPEG(testpicture.Camera(w, h, 5), testpicture.JPEGOptions{Quality: 90, Progressive: progressive})
}

// checkPlanes compares all planes with the picture's own coefficients. A
// sample may be off by one where the true value lies near a half.
func checkPlanes(t *testing.T, p *picture, m *Image) {
	t.Helper()
	if m.Width != p.w || m.Height != p.h || m.Components != len(p.comps) || m.ColorModel != p.model {
		t.Fatalf("got %dx%d %v of %d, want %dx%d %v of %d",
			m.Width, m.Height, m.ColorModel, m.Components, p.w, p.h, p.model, len(p.comps))
	}
	hmax, vmax := p.max()
	for i, c := range p.comps {
		got := m.Planes[i]
		want, stride := p.plane(i, got.Scale)
		ew := float64(p.w) * float64(c.h) / float64(hmax*got.Scale)
		eh := float64(p.h) * float64(c.v) / float64(vmax*got.Scale)
		if got.ExtentW != ew || got.ExtentH != eh || got.W != int(math.Ceil(ew)) || got.H != int(math.Ceil(eh)) {
			t.Fatalf("plane %d is %dx%d (%g x %g), want %g x %g", i, got.W, got.H, got.ExtentW, got.ExtentH, ew, eh)
		}
		if got.Droop != droop(got.Scale) {
			t.Fatalf("plane %d: Droop %g is not that of 1/%d", i, got.Droop, got.Scale)
		}
		for y := range got.H {
			for x := range got.W {
				g, w := float64(got.Pix[y*got.Stride+x]), want[y*stride+x]
				if math.Abs(g-w) > .6+p.loose {
					t.Fatalf("1/%d plane %d (%d,%d): got %g, want %.2f", m.Scale, i, x, y, g, w)
				}
			}
		}
	}
}

// checkScales decodes at every scale, with one decoder.
func checkScales(t *testing.T, d *Decoder, p *picture, data []byte) {
	t.Helper()
	for _, scale := range []int{8, 4, 2, 1} {
		for _, fine := range []bool{false, true} {
			if fine && !p.subsampled() {
				continue
			}
			h, err := d.ReadHeader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Scale: scale, FineChroma: fine}
			o.MaxBytes = h.MemoryBytes(o)
			m, err := d.Decode(o)
			if err != nil {
				t.Fatalf("1/%d: %v", scale, err)
			}
			hmax, vmax := p.max()
			for i, c := range p.comps {
				want := scale
				if fine && scale > 1 && (c.h < hmax || c.v < vmax) {
					want /= 2
				}
				if got := m.Planes[i].Scale; got != want {
					t.Fatalf("1/%d, fine %v: plane %d has 1/%d, want 1/%d", scale, fine, i, got, want)
				}
			}
			checkPlanes(t, p, m)
		}
	}
}

// subsampled reports whether a component has fewer samples than another.
func (p *picture) subsampled() bool {
	hmax, vmax := p.max()
	return len(p.comps) > 1 && slices.ContainsFunc(p.comps, func(c pictureComp) bool { return c.h < hmax || c.v < vmax })
}

var samplings = [][][2]int{
	samplingGray,
	{{2, 2}}, // alone, the factors mean nothing
	sampling444,
	sampling420,
	{{2, 1}, {1, 1}, {1, 1}},
	{{1, 2}, {1, 1}, {1, 1}},
	{{4, 1}, {1, 1}, {1, 1}},
	{{4, 2}, {2, 1}, {1, 2}},
	{{1, 1}, {2, 2}, {1, 1}},
	{{3, 1}, {2, 1}, {1, 1}},
	{{2, 2}, {2, 1}, {1, 2}},
	{{1, 1}, {1, 1}, {1, 1}, {1, 1}},
	{{2, 2}, {1, 1}, {1, 1}, {2, 2}},
	{{2, 2}, {2, 2}, {2, 2}, {2, 2}}, // 16 blocks in an MCU: more than T.81 allows
	{{4, 4}, {4, 4}, {4, 4}, {4, 4}}, // 64
}

func TestSampling(t *testing.T) {
	t.Parallel()
	for i, s := range samplings {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			var d Decoder
			for seed := range uint64(3) {
				p := newPicture(97+int(seed)*31, 61, s, seed+uint64(i)*100)
				checkScales(t, &d, p, p.encode(writeOptions{}))
				p.restart = 1 + int(seed)*2
				checkScales(t, &d, p, p.encode(writeOptions{extended: true, wideDQT: true, fill: int(seed)}))
			}
		})
	}
}

// lighter reports whether a test shall do with a part of its cases: the race
// detector makes this package's loops ten times slower.
func lighter() bool { return underRace || testing.Short() }

// Every size of up to 17 x 17, which is two blocks and a sample, of every ratio
// in every order of scans, with restarts here and there: judged by image/jpeg
// at full size where it can read it, and by the coefficients at every scale.
func TestSizes(t *testing.T) {
	t.Parallel()
	ratios := [][][2]int{
		sampling444, sampling420,
		{{2, 1}, {1, 1}, {1, 1}},
		{{1, 2}, {1, 1}, {1, 1}},
		{{4, 1}, {1, 1}, {2, 1}},
		{{1, 1}, {2, 2}, {2, 2}},
		{{4, 2}, {1, 1}, {1, 1}},
	}
	scripts := []writeOptions{
		{},
		{script: scriptApart},
		{script: scriptPair},
		{progressive: true, script: scriptUsual},
		{progressive: true, script: scriptSpectral},
		{progressive: true, script: scriptDeep},
	}
	for i, ratio := range ratios {
		t.Run(fmt.Sprint(ratio), func(t *testing.T) {
			t.Parallel()
			var d Decoder
			judged, n := 0, i*1000
			for w := 1; w <= 17; w++ {
				for h := 1; h <= 17; h++ {
					for _, o := range scripts {
						if n++; lighter() && n%53 != 0 {
							continue
						}
						p := newPicture(w, h, ratio, uint64(n))
						p.restart = n % 5
						data := p.encode(o)
						checkScales(t, &d, p, data)
						if againstImageJPEG(t, &d, data) {
							judged++
						}
					}
				}
			}
			if i < 4 && judged == 0 {
				t.Error("image/jpeg judged nothing")
			}
		})
	}
	t.Run("gray", func(t *testing.T) {
		t.Parallel()
		var d Decoder
		for w := 1; w <= 17; w++ {
			for h := 1; h <= 17; h++ {
				p := newPicture(w, h, samplingGray, uint64(w*20+h))
				p.restart = (w + h) % 4
				checkScales(t, &d, p, p.encode(writeOptions{}))
			}
		}
	})
}

// againstImageJPEG compares the planes at full size with image/jpeg's, and
// reports false where that cannot read the file.
func againstImageJPEG(t *testing.T, d *Decoder, data []byte) bool {
	t.Helper()
	theirs, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return false
	}
	if _, err := d.ReadHeader(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	m, err := d.Decode(Options{})
	if err != nil {
		t.Fatal(err)
	}
	switch theirs := theirs.(type) {
	case *image.Gray:
		samePlane(t, "gray", m.Planes[0], theirs.Pix, theirs.Stride, 1)
	case *image.YCbCr:
		samePlane(t, "Y", m.Planes[0], theirs.Y, theirs.YStride, 1)
		if ratio, ok := m.subsampleRatio(); ok && ratio == theirs.SubsampleRatio {
			samePlane(t, "Cb", m.Planes[1], theirs.Cb, theirs.CStride, 1)
			samePlane(t, "Cr", m.Planes[2], theirs.Cr, theirs.CStride, 1)
		}
	}
	return true
}

func TestScripts(t *testing.T) {
	t.Parallel()
	scripts := []struct {
		name string
		o    writeOptions
	}{
		{"apart", writeOptions{script: scriptApart}},
		{"pair", writeOptions{script: scriptPair}},
		{"usual", writeOptions{progressive: true, script: scriptUsual}},
		{"spectral", writeOptions{progressive: true, script: scriptSpectral}},
		{"deep", writeOptions{progressive: true, script: scriptDeep}},
	}
	for _, tt := range scripts {
		for i, s := range [][][2]int{sampling444, sampling420, {{4, 1}, {1, 1}, {2, 1}}, {{1, 1}, {2, 2}, {1, 2}}} {
			t.Run(fmt.Sprint(tt.name, s), func(t *testing.T) {
				t.Parallel()
				var d Decoder
				for _, restart := range []int{0, 1, 5, 1000} {
					p := newPicture(131, 77, s, uint64(i))
					p.restart = restart
					checkScales(t, &d, p, p.encode(tt.o))
				}
			})
		}
	}
}

// A picture wider and higher than one chunk of bytes, with noise in every
// block, so that runs of MCUs meet the end of a chunk at any place.
func TestChunks(t *testing.T) {
	t.Parallel()
	w, h := 900, 700
	if lighter() {
		w, h = 500, 400
	}
	p := newPicture(w, h, sampling420, 5)
	for i := range p.comps {
		for b := range p.comps[i].coef {
			for k := range 64 {
				p.comps[i].coef[b][k] += int32((b*31+k*17)%7 - 3)
			}
		}
	}
	var d Decoder
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptDeep}} {
		data := p.encode(o)
		if len(data) < 3*chunkSize {
			t.Fatalf("%d bytes are no test of chunks", len(data))
		}
		checkScales(t, &d, p, data)
	}
}

// Coefficients as large as codes allow, so that no table knows them all, and
// blocks that are full to the last coefficient. Samples saturate; what is
// checked is that nobody loses his place.
func TestLargeCoefficients(t *testing.T) {
	t.Parallel()
	largeCoefficients(t, sampling420)
	largeCoefficients(t, [][2]int{{4, 4}, {4, 4}, {4, 4}})
}

func largeCoefficients(t *testing.T, sampling [][2]int) {
	t.Helper()
	p := newPicture(300, 200, sampling, 5)
	p.loose = 1 // far outside of what samples of 8 bits give
	for i := range p.comps {
		c := &p.comps[i]
		for q := range 64 {
			p.quant[c.tq][q] = 1
		}
		for b := range c.coef {
			if b%4 == 3 {
				continue
			}
			for k := range 64 {
				c.coef[b][k] = int32((b*7919+k*104729+b*k*31)%2047 - 1023)
				if b%3 == 1 {
					c.coef[b][k] >>= k % 11
				}
			}
		}
	}
	var d Decoder
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}, {progressive: true, script: scriptDeep}} {
		checkScales(t, &d, p, p.encode(o))
	}
}

// Readers may return as little as they like.
func TestReaders(t *testing.T) {
	t.Parallel()
	p := newPicture(97, 61, sampling420, 1)
	p.restart = 3
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}} {
		data := p.encode(o)
		for _, r := range []func() *bytes.Reader{func() *bytes.Reader { return bytes.NewReader(data) }} {
			m, err := Decode(iotest.OneByteReader(r()), Options{Scale: 4})
			if err != nil {
				t.Fatal(err)
			}
			checkPlanes(t, p, m)
			m, err = Decode(iotest.DataErrReader(r()), Options{Scale: 8})
			if err != nil {
				t.Fatal(err)
			}
			checkPlanes(t, p, m)
		}
	}
}

// samePlane compares with the standard library's plane and counts differences.
func samePlane(t *testing.T, name string, p Plane, pix []byte, stride, tolerance int) {
	t.Helper()
	for y := range p.H {
		for x := range p.W {
			got, want := int(p.Pix[y*p.Stride+x]), int(pix[y*stride+x])
			if max(got-want, want-got) > tolerance {
				t.Fatalf("%s (%d,%d): got %d, image/jpeg %d", name, x, y, got, want)
			}
		}
	}
}

// At full size the planes are those of image/jpeg, off by at most one: the
// two inverse transforms round differently.
func TestPicturesAgainstImageJPEG(t *testing.T) {
	t.Parallel()
	cmyk, err := os.ReadFile("../../testdata/images/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	pictures := map[string][]byte{
		"made baseline": camera(901, 607, false), "made progressive": camera(901, 607, true), "cmyk.jpg": cmyk,
		"made 4:4:4": testpicture.JPEG(testpicture.FullChroma(testpicture.Camera(500, 333, 6)), testpicture.JPEGOptions{Progressive: true}),
	}
	for _, name := range []string{
		"2569067123_aca715a2ee_o.jpg", "Landscape_1.jpg", "Portrait_6.jpg", "camera-24mp-baseline.jpg",
		"camera-24mp-progressive.jpg", "gain-map.jpg", "low-contrast.jpg", "Channel_digital_image_CMYK_color.jpg",
	} {
		if data, ok := photo(t, name); ok {
			pictures[name] = data
		}
	}
	for name, data := range pictures {
		t.Run(name, func(t *testing.T) {
			if lighter() && len(data) > 800<<10 {
				t.Skip("a large photograph, and -short or the race detector")
			}
			want, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(bytes.NewReader(data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			switch w := want.(type) {
			case *image.YCbCr:
				samePlane(t, "Y", m.Planes[0], w.Y, w.YStride, 1)
				samePlane(t, "Cb", m.Planes[1], w.Cb, w.CStride, 1)
				samePlane(t, "Cr", m.Planes[2], w.Cr, w.CStride, 1)
			case *image.CMYK:
				// K is not converted on the way.
				k := make([]byte, len(w.Pix)/4)
				for i := range k {
					k[i] = 255 - w.Pix[4*i+3]
				}
				samePlane(t, "K", m.Planes[3], k, w.Stride/4, 1)
			default:
				t.Fatalf("image/jpeg gives a %T", w)
			}
			for _, scale := range []int{2, 4, 8} {
				checkPhotoScale(t, data, m, scale)
			}
		})
	}
}

// checkPhotoScale holds a reduced photograph against its full planes: each
// block transformed forward again, reduced the slow way. The full planes are
// rounded and clamped, hence the tolerance.
func checkPhotoScale(t *testing.T, data []byte, full *Image, scale int) {
	t.Helper()
	m, err := Decode(bytes.NewReader(data), Options{Scale: scale})
	if err != nil {
		t.Fatal(err)
	}
	n := 8 / scale
	for i, p := range m.Planes {
		f := full.Planes[i]
		var sum float64
		var count, far int
		// Every seventh block is enough, and never one that is cut.
		for b := 0; b < (f.W/8)*(f.H/8); b += 7 {
			bx, by := b%(f.W/8), b/(f.W/8)
			var block [64]float64
			clamped := false
			for j := range block {
				v := f.Pix[(by*8+j/8)*f.Stride+bx*8+j%8]
				clamped = clamped || v < 2 || v > 253
				block[j] = float64(v) - 128
			}
			if clamped {
				continue
			}
			forwardDCT(&block)
			for j, want := range reduce(&block, scale) {
				diff := math.Abs(float64(p.Pix[(by*n+j/n)*p.Stride+bx*n+j%n]) - want)
				sum += diff
				count++
				if diff > 1.5 {
					far++
				}
			}
		}
		if count > 0 && (sum/float64(count) > .4 || far > 0) {
			t.Errorf("1/%d plane %d: mean difference %.3f, %d of %d samples differ by more than 1.5", scale, i, sum/float64(count), far, count)
		}
	}
}

// spared is how many bits of component i's AC coefficients at 1/scale may be
// missing.
func (p *picture) spared(i int, m *Image, tolerance int) (spare int) {
	scale := m.Planes[i].Scale
	coarsest := 1
	for k := 1; k < 64; k++ {
		if n := 8 / scale; int(zigzag[k]%8) < n && int(zigzag[k]/8) < n {
			coarsest = max(coarsest, int(p.quant[p.comps[i].tq][k]))
		}
	}
	hmax, vmax := p.max()
	if c := p.comps[i]; m.Planes[i].Scale == m.Scale && (c.h < hmax || c.v < vmax) || m.Planes[i].Scale < m.Scale && (2*c.h < hmax || 2*c.v < vmax) {
		tolerance /= 2
	}
	for coarsest<<(spare+1) <= tolerance {
		spare++
	}
	return spare
}

// lowBits is the lowest bit that is known of each coefficient after the scans,
// of which a decoder reads those that it must when bits may be missing.
func (p *picture) lowBits(scans []scanSpec, m *Image, tolerance int) func(i, k int) int {
	return func(i, k int) int {
		low, bits := 0, p.spared(i, m, tolerance)
		for _, s := range scans {
			if slices.Contains(s.comps, i) && s.ss <= k && k <= s.se && (s.ah == 0 || k == 0 || s.al >= bits) {
				low = s.al
			}
		}
		return low
	}
}

// What may be missing is put in the middle, and nothing else is missing:
// whatever the script, deep ones too, and those whose refinements cover bands
// that were sent apart.
func TestTolerance(t *testing.T) {
	t.Parallel()
	// The bands of first scans and refinements differ.
	across := []scanSpec{
		{[]int{0, 1, 2}, 0, 0, 0, 0},
		{[]int{0}, 1, 4, 0, 3},
		{[]int{0}, 5, 63, 0, 3},
		{[]int{0}, 1, 63, 3, 2},
		{[]int{0}, 1, 63, 2, 1},
		{[]int{0}, 1, 63, 1, 0},
		{[]int{1}, 1, 63, 0, 1},
		{[]int{1}, 1, 20, 1, 0},
		{[]int{1}, 21, 63, 1, 0},
		{[]int{2}, 1, 63, 0, 0},
	}
	for name, script := range map[string][]scanSpec{"usual": scriptUsual, "spectral": scriptSpectral, "deep": scriptDeep, "across": across} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d Decoder
			for seed, tolerance := range []int{0, 20, 40, 100, 1000, 1 << 20} {
				p := newPicture(99, 77, [][][2]int{sampling420, sampling444}[seed%2], uint64(seed))
				p.restart = seed * 3
				data := p.encode(writeOptions{progressive: true, script: script})
				for _, scale := range []int{8, 4, 2, 1} {
					for _, fine := range []bool{false, true} {
						if _, err := d.ReadHeader(bytes.NewReader(data)); err != nil {
							t.Fatal(err)
						}
						m, err := d.Decode(Options{Scale: scale, Tolerance: tolerance, FineChroma: fine})
						if err != nil {
							t.Fatal(err)
						}
						p.low = p.lowBits(script, m, tolerance)
						checkPlanes(t, p, m)
					}
				}
			}
		})
	}
}

// A photograph at 1/8 is the same, at 1/4 and 1/2 nearly: before and after its
// planes are halved, as a thumbnail does. The floors are 1 dB below what was
// measured.
func TestToleranceOfPhotographs(t *testing.T) {
	t.Parallel()
	type want struct {
		scale, tolerance int
		floor, halved    float64
	}
	inf := math.Inf(1)
	checkTolerance := func(t *testing.T, data []byte, tt want) {
		t.Helper()
		exact, err := Decode(bytes.NewReader(data), Options{Scale: tt.scale})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(bytes.NewReader(data), Options{Scale: tt.scale, Tolerance: tt.tolerance})
		if err != nil {
			t.Fatal(err)
		}
		whole := func(p Plane) (out []float64) {
			for y := range p.H {
				for _, v := range p.Pix[y*p.Stride:][:p.W] {
					out = append(out, float64(v))
				}
			}
			return out
		}
		half := func(p Plane) []float64 { return whole(boxes(p, 2)) }
		got := psnr(whole(m.Planes[0]), whole(exact.Planes[0]))
		halved := psnr(half(m.Planes[0]), half(exact.Planes[0]))
		t.Logf("1/%d, tolerance %d: %.1f dB, %.1f when halved", tt.scale, tt.tolerance, got, halved)
		if got < tt.floor || halved < tt.halved {
			t.Errorf("1/%d, tolerance %d: got %.1f dB, %.1f when halved; want %.1f, %.1f", tt.scale, tt.tolerance, got, halved, tt.floor, tt.halved)
		}
	}
	t.Run("made", func(t *testing.T) {
		data := camera(2400, 1600, true)
		for _, tt := range []want{{8, 1 << 20, inf, inf}, {4, 1, inf, inf}, {4, 8, 49.3, 55.2}, {4, 4, 54.1, 55.4}, {2, 16, 46.6, 52.5}} {
			checkTolerance(t, data, tt)
		}
	})
	data, ok := photo(t, "camera-24mp-progressive.jpg")
	if !ok || lighter() {
		return // a large photograph, and -short or the race detector
	}
	for _, tt := range []want{{8, 1 << 20, inf, inf}, {4, 1, inf, inf}, {4, 8, 49, 55.5}, {4, 4, 54, 55.5}, {2, 16, 46, 52.5}} {
		checkTolerance(t, data, tt)
	}
}
