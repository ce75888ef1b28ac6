package uploads

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/thumbnail"
	"sluice/workers/setup"
)

// flatWebP is a lossless picture of one colour in some 40 bytes. It has a palette
// of 17 colours, so that decoding needs all its pixels twice.
func flatWebP(w, h int) []byte {
	var data []byte
	n := 0
	bits := func(count, v int) {
		for i := range count {
			if n%8 == 0 {
				data = append(data, 0)
			}
			data[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	// Five codes of one symbol each, which takes no bits: green, red, blue, alpha, distance.
	codes := func() {
		bits(1, 0) // no cache of colours
		for _, symbol := range []int{0, 0, 0, 255, 0} {
			bits(3, 0b101)
			bits(8, symbol)
		}
	}
	bits(8, 0x2f)
	bits(14, w-1)
	bits(14, h-1)
	bits(4, 0)
	bits(3, 0b111) // a palette follows
	bits(8, 16)
	codes()
	bits(1, 0)
	bits(1, 0) // no cache
	bits(1, 0) // one group
	for _, symbol := range []int{0, 0, 0, 255, 0} {
		bits(3, 0b101)
		bits(8, symbol)
	}
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(12+len(data)))...)
	out = append(append(out, "WEBPVP8L"...), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
	return append(out, data...)
}

// flatPNG is an interlaced picture, black and clear.
func flatPNG(w, h int) []byte {
	chunk := func(out []byte, kind string, data []byte) []byte {
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		at := len(out)
		out = append(append(out, kind...), data...)
		return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[at:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	out := chunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", append(head, 8, 6, 0, 0, 1))
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	for _, p := range [7]struct{ x, y, dx, dy int }{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		row := make([]byte, 1+4*((w-p.x+p.dx-1)/p.dx))
		for range (h - p.y + p.dy - 1) / p.dy {
			_, _ = z.Write(row)
		}
	}
	_ = z.Close()
	return chunk(chunk(out, "IDAT", data.Bytes()), "IEND", nil)
}

const (
	memoryChild  = "SLUICE_TEST_MEMORY_CHILD" // the picture
	memorySizes  = "SLUICE_TEST_MEMORY_SIZES"
	memoryBudget = 512 // MB of the function
)

// TestPicturesAtTheBudgetStayInTheFunction works, in a process of its own, on five
// pictures that need all that the settings allow, one after the other.
func TestPicturesAtTheBudgetStayInTheFunction(t *testing.T) {
	if file := os.Getenv(memoryChild); file != "" {
		setup.LimitMemory(map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(memoryBudget)})
		fiveTimes(t, file)
		return
	}
	t.Parallel()
	if underRace {
		t.Skip("the race detector has memory of its own")
	}
	for _, tt := range []struct {
		name, sizes string
		made        func(w, h int) []byte
	}{
		{"WebP", "200x200", flatWebP},
		{"PNG", "1300x1300", flatPNG},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), tt.name)
			if err := os.WriteFile(file, atTheBudget(t, tt.sizes, tt.made), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPicturesAtTheBudgetStayInTheFunction$", "-test.v")
			cmd.Env = append(os.Environ(), memoryChild+"="+file, memorySizes+"="+tt.sizes, "GOMEMLIMIT=", "GOGC=")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// atTheBudget makes the largest square that is let in.
func atTheBudget(t *testing.T, sizes string, made func(w, h int) []byte) []byte {
	s, err := thumbnail.ParseSizes(sizes)
	if err != nil {
		t.Fatal(err)
	}
	budget := Config{MemoryMB: memoryBudget}.memoryBytes()
	side := 1000.0
	for range 8 {
		picture := made(int(side), int(side))
		p, err := thumbnail.Open(bytes.NewReader(picture), thumbnail.Options{Sizes: s, MemoryBytes: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		if cost := p.Cost(); cost <= budget && cost > budget/100*95 {
			return picture
		}
		side *= math.Sqrt(float64(budget) / 1.02 / float64(p.Cost()))
	}
	t.Fatal("no picture is at the budget")
	return nil
}

// fiveTimes is what the child does.
func fiveTimes(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.MemoryMB, c.Sizes = memoryBudget, os.Getenv(memorySizes) })
	for i := range 5 {
		key := fmt.Sprintf("%d.%s", i, filepath.Base(file))
		b.s3.put("uploads/"+key, data)
		b.done(b.created(key))
		if told := b.told(); !strings.HasPrefix(told[len(told)-1], "image-processed") {
			t.Fatalf("got %v", told)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell the peak of a process's memory")
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d MB of %d", kb>>10, memoryBudget)
			if kb>>10 > memoryBudget {
				t.Errorf("the process needed %d MB, the function has %d", kb>>10, memoryBudget)
			}
		}
	}
}
