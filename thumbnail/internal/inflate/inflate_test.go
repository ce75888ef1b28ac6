package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"sluice/thumbnail/internal/testpicture"
)

func inflateAll(data []byte) ([]byte, error) {
	f, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// compressible gives data of many kinds: noise, runs, small differences,
// repeats near and far.
func compressible(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 3))
	out := make([]byte, 0, n)
	for len(out) < n {
		switch rng.IntN(6) {
		case 0:
			for range rng.IntN(3000) {
				out = append(out, byte(rng.Uint32()))
			}
		case 1:
			out = append(out, bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(5000))...)
		case 2:
			for range rng.IntN(20000) {
				out = append(out, byte(rng.NormFloat64()*3))
			}
		case 3, 4:
			if len(out) > 10 {
				back := 1 + rng.IntN(min(len(out), 40000))
				for range rng.IntN(4000) {
					out = append(out, out[len(out)-back])
				}
			}
		case 5:
			period := 1 + rng.IntN(12)
			for i := range rng.IntN(3000) {
				out = append(out, byte(i%period*17))
			}
		}
	}
	return out[:n]
}

func TestInflateAgainstTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 100, 5000, 70000, 400000} {
		want := compressible(n, uint64(n))
		for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.HuffmanOnly} {
			var buf bytes.Buffer
			z, err := zlib.NewWriterLevel(&buf, level)
			if err != nil {
				t.Fatal(err)
			}
			// Flushes make empty stored blocks.
			z.Write(want[:n/3])
			z.Flush()
			z.Write(want[n/3:])
			z.Close()
			data := buf.Bytes()
			got, err := inflateAll(data)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, level %d: %v, equal %t", n, level, err, bytes.Equal(got, want))
			}
			f, err := NewReader(iotest.OneByteReader(bytes.NewReader(data)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(iotest.HalfReader(f)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, level %d, by single bytes: %v", n, level, err)
			}
		}
	}
}

func TestInflateOfCutData(t *testing.T) {
	t.Parallel()
	want := compressible(3000, 5)
	data := testpicture.Deflate(want)
	for n := range len(data) - 4 { // the checksum is not read
		got, err := inflateAll(data[:n])
		if err != io.ErrUnexpectedEOF {
			t.Fatalf("cut to %d of %d: got %v", n, len(data), err)
		}
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("cut to %d: wrong data before the end", n)
		}
	}
}

func TestInflateOfBadData(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"no zlib":                  {0x12, 0x34, 0, 0, 0, 0},
		"a preset dictionary":      {0x78, 0xbb, 0, 0, 0, 0},
		"block type 3":             {0x78, 0x9c, 0x07, 0, 0, 0},
		"stored length":            {0x78, 0x9c, 0x01, 5, 0, 5, 0, 1, 2, 3, 4, 5},
		"distance before the data": {0x78, 0x9c, 0x03, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if got, err := inflateAll(data); err == nil {
			t.Errorf("%s: got %d bytes and no error", name, len(got))
		}
	}
}

// This package and the standard library agree for every input, on the data and
// on whether it is valid.
func FuzzInflate(f *testing.F) {
	for i := range 6 {
		f.Add(testpicture.Deflate(compressible(300*i*i, uint64(i))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return // the head is stricter there
		}
		want, wantErr := io.ReadAll(io.LimitReader(r, 1<<20))
		if wantErr == zlib.ErrChecksum {
			wantErr = nil // not compared here
		}
		got, err := NewReader(bytes.NewReader(data))
		if err != nil {
			if wantErr == nil {
				t.Fatalf("head: %v", err)
			}
			return
		}
		have, haveErr := io.ReadAll(io.LimitReader(got, 1<<20))
		if wantErr == nil && haveErr != nil {
			t.Fatalf("got %v after %d bytes, want %d bytes", haveErr, len(have), len(want))
		}
		if wantErr == nil && !bytes.Equal(have, want) {
			t.Fatalf("%d bytes differ from %d", len(have), len(want))
		}
		if wantErr != nil && haveErr == nil && wantErr != io.ErrUnexpectedEOF {
			t.Fatalf("invalid data was taken: %v", wantErr)
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	want := make([]byte, 4<<20)
	for i := range want {
		want[i] = byte(rng.NormFloat64() * 3) // as a photograph's filtered rows
	}
	data := testpicture.Deflate(want)
	buf := make([]byte, 18000)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(want)))
		for b.Loop() {
			f, err := NewReader(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{f}, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard", func(b *testing.B) {
		b.SetBytes(int64(len(want)))
		for b.Loop() {
			f, err := zlib.NewReader(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{f}, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
