package setup

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a setting that is a number of bytes: 67108864, 64MiB, 64MB, 2^26.
type Bytes int64

const wantBytes = "bytes such as 67108864 or 64MiB"

var errBytes = errors.New("want " + wantBytes)

// byteUnits are the units of Bytes, the largest first.
var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"TB", 1e12},
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"KB", 1e3},
}

// UnmarshalText reads a whole number and its unit, which may be left out, or a
// power of two such as 2^30.
func (b *Bytes) UnmarshalText(text []byte) error {
	if n, ok := powerOfTwo(string(text)); ok {
		*b = Bytes(n)
		return nil
	}
	number, unit := string(text), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return errBytes
	}
	*b = Bytes(n * unit)
	return nil
}

// String is the number in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if n := int64(b); n != 0 && n%u.bytes == 0 && u.bytes&(u.bytes-1) == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Count is a setting that is a whole number: 1073741824, 2^30.
type Count int64

const wantCount = "a whole number such as 1000 or 2^30"

// UnmarshalText reads a whole number, or a power of two such as 2^30.
func (c *Count) UnmarshalText(text []byte) error {
	if n, ok := powerOfTwo(string(text)); ok {
		*c = Count(n)
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return errors.New("want " + wantCount)
	}
	*c = Count(n)
	return nil
}

// powerOfTwo reads a number written as 2^0 to 2^62.
func powerOfTwo(text string) (int64, bool) {
	exponent, ok := strings.CutPrefix(text, "2^")
	n, err := strconv.ParseUint(exponent, 10, 8)
	return 1 << min(n, 62), ok && err == nil && n <= 62
}
