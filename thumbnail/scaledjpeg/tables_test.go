package scaledjpeg

import (
	"math/rand/v2"
	"testing"
)

// testTables are Huffman tables of symbols from all over, some degenerate.
func testTables(t *testing.T) map[string]*huffTable {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 5))
	specs := map[string]map[byte]int{
		"runs of zeros by one bit": {0xf0: 1000, 0x00: 10, 0x01: 5, 0x0f: 1},
		"end by one bit":           {0x00: 1000, 0x11: 3, 0xf0: 2},
		"long magnitudes":          {0x0a: 100, 0x0f: 90, 0x00: 80, 0x1e: 70},
		"one symbol":               {0x21: 1},
		"sizes of 0":               {0x10: 4, 0xe0: 4, 0x31: 8, 0x00: 1},
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		f := map[byte]int{}
		for range 10 + r.IntN(200) {
			f[byte(r.Uint32())] = 1 + int(float64(int(1)<<r.IntN(20))*r.Float64())
		}
		specs[name] = f
	}
	tables := map[string]*huffTable{}
	for name, f := range specs {
		counts, vals, _ := huffmanFor(f)
		table := new(huffTable)
		if err := table.set(true, &counts, vals); err != nil {
			t.Fatal(err)
		}
		tables[name] = table
	}
	return tables
}

// Every entry of a walk table against one symbol after the other: whatever
// follows the index, from whatever zig-zag index on, an entry that the walk
// would take must do what the symbols do.
func TestWalkTable(t *testing.T) {
	t.Parallel()
	if 2*walkMax+walkBits > 56 {
		t.Fatal("two entries and an index do not fit a refill")
	}
	r := rand.New(rand.NewPCG(6, 7))
	for name, table := range testTables(t) {
		table.need(formWalk)
		taken := 0
		for i := range table.walk {
			entry := table.walk[i]
			if entry&walkLength > walkMax {
				t.Fatalf("%s: entry %#x has %d bits", name, i, entry&walkLength)
			}
			for range 20 {
				start := uint(1 + r.IntN(63))
				k := start + uint(entry>>walkAdvance)
				full := k == 64
				ended := k-walkEnd-1 < 63
				if !full && !ended && k >= 64 {
					continue // the walk takes one symbol instead
				}
				taken++
				acc := uint64(i)<<(64-walkBits) | r.Uint64()>>walkBits
				used, at := uint(0), start
				for used < uint(entry&walkLength) {
					symbol, l := table.slow(acc << used)
					if l == 0 {
						t.Fatalf("%s: entry %#x walks over no code", name, i)
					}
					s := uint(singleOf(symbol, l))
					used += s & singleLength
					if at >= 64 {
						t.Fatalf("%s: entry %#x from %d on: takes symbols of the next block", name, i, start)
					}
					at += s >> singleAdvance
				}
				if used != uint(entry&walkLength) || ended != (at > 64 && at-64 < 64) || !ended && at != k {
					t.Fatalf("%s: entry %#x from %d on: %d bits to %d, the symbols take %d bits to %d", name, i, start, entry&walkLength, k, used, at)
				}
			}
		}
		if taken == 0 {
			t.Errorf("%s: no entry was ever taken", name)
		}
	}
}

// The table of long codes against the definition, for all 16 bits there are.
func TestLongCodes(t *testing.T) {
	t.Parallel()
	built := 0
	for name, table := range testTables(t) {
		table.need(formWalk)
		built += int(table.longN)
		for code := range uint64(1 << 16) {
			want := uint(0)
			if symbol, l := table.slow(code << 48); l > 0 {
				want = uint(singleOf(symbol, l))
			}
			if got := table.single(code<<48 | 0x1234); got != want {
				t.Fatalf("%s: %#x is %#x, want %#x", name, code, got, want)
			}
		}
	}
	if built == 0 {
		t.Error("no table has a long code")
	}
}

// Every entry of a pair table against its symbols.
func TestPairTable(t *testing.T) {
	t.Parallel()
	for name, table := range testTables(t) {
		table.need(formPairs)
		for i, entry := range table.pairs {
			acc := uint64(i) << (64 - pairBits)
			symbol, l := table.slow(acc)
			if l == 0 || l > pairBits {
				if entry != 0 {
					t.Fatalf("%s: entry %#x of a long code is %#x", name, i, entry)
				}
				continue
			}
			s := uint32(singleOf(symbol, l))
			if s>>singleAdvance == 64 {
				if entry != pairEnd|s&singleLength {
					t.Fatalf("%s: entry %#x of an end is %#x", name, i, entry)
				}
				continue
			}
			if entry>>pairFirst&31 != s&singleLength || entry>>pairSize1&15 != s>>singleSize&15 || entry>>pairAdvance1&31 != s>>singleAdvance {
				t.Fatalf("%s: entry %#x is %#x, its first symbol %#x", name, i, entry, s)
			}
			second := entry&pairLength - s&singleLength
			if second == 0 {
				continue
			}
			symbol, l = table.slow(acc << (s & singleLength))
			if int(s&singleLength)+l > pairBits {
				t.Fatalf("%s: entry %#x has a second code of unknown bits", name, i)
			}
			s = uint32(singleOf(symbol, l))
			if ends := s>>singleAdvance == 64; second != s&singleLength || ends != (entry >= pairEnd2) ||
				!ends && (entry>>pairSize2&15 != s>>singleSize&15 || entry>>pairAdvance2&31 != s>>singleAdvance) {
				t.Fatalf("%s: entry %#x is %#x, its second symbol %#x", name, i, entry, s)
			}
		}
	}
}

// The codes and differences that fit an index, against the slow way.
func TestShortTables(t *testing.T) {
	t.Parallel()
	for name, table := range testTables(t) {
		table.need(formCodes)
		for i := range table.codes {
			acc := uint64(i)<<(64-codeBits) | 1<<40
			symbol, l := table.slow(acc)
			if got := table.code(acc); got != uint(l)|uint(symbol)<<codeSymbol {
				t.Fatalf("%s: code %#x is %#x, want %d bits of %#x", name, i, got, l, symbol)
			}
		}
	}
	sizes := map[byte]int{}
	for s := range byte(12) {
		sizes[s] = 100 >> s
	}
	counts, vals, _ := huffmanFor(sizes)
	var table huffTable
	if err := table.set(false, &counts, vals); err != nil {
		t.Fatal(err)
	}
	table.need(formDiffs)
	for i, entry := range table.diffs {
		acc := uint64(i) << (64 - diffBits)
		value, length := table.diff(acc)
		if length == 0 || length > diffBits {
			if entry != 0 {
				t.Fatalf("difference %#x of %d bits is %#x", i, length, entry)
			}
		} else if int(entry)>>diffValue != value || uint(entry)&diffLength != length {
			t.Fatalf("difference %#x is %d of %d bits, want %d of %d", i, entry>>diffValue, entry&diffLength, value, length)
		}
	}
}

// The same specification again keeps what was built, another one does not.
func TestTablesStay(t *testing.T) {
	t.Parallel()
	var table huffTable
	one, other := [16]uint8{1, 1}, [16]uint8{1, 2}
	if err := table.set(true, &one, []uint8{0x01, 0x00}); err != nil {
		t.Fatal(err)
	}
	table.need(formWalk | formCodes)
	if err := table.set(true, &one, []uint8{0x01, 0x00}); err != nil || table.have != formWalk|formCodes {
		t.Errorf("the same table again: forms %b, error %v", table.have, err)
	}
	if err := table.set(true, &one, []uint8{0x00, 0x01}); err != nil || table.have != 0 {
		t.Errorf("other symbols: forms %b, error %v", table.have, err)
	}
	if err := table.set(true, &other, []uint8{1, 2, 3}); err != nil || table.have != 0 {
		t.Errorf("other lengths: forms %b, error %v", table.have, err)
	}
}

func TestMagnitude(t *testing.T) {
	t.Parallel()
	for size := uint(1); size <= 15; size++ {
		for bits := range uint64(1) << size {
			want := int(bits)
			if bits>>(size-1) == 0 {
				want -= 1<<size - 1
			}
			if got := magnitude(bits<<(64-size)|0x1234, size); got != want {
				t.Fatalf("%d bits %#x: got %d, want %d", size, bits, got, want)
			}
		}
	}
	if magnitude(1<<63, 0) != 0 || magnitude(0, 0) != 0 {
		t.Error("a magnitude of no bits is not 0")
	}
}
