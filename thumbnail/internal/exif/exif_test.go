package exif

import (
	"encoding/binary"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestExifOrientation(t *testing.T) {
	t.Parallel()
	little, big := testpicture.EXIF(6, binary.LittleEndian), testpicture.EXIF(8, binary.BigEndian)
	change := func(b []byte, at int, v ...byte) []byte {
		b = append([]byte(nil), b...)
		copy(b[at:], v)
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want Orientation
	}{
		{"little-endian", little, 6},
		{"big-endian", big, 8},
		{"LONG instead of SHORT", change(little, 12, 4), 6},
		{"empty", nil, 0},
		{"no TIFF", []byte("this is no TIFF structure"), 0},
		{"value 0", change(little, 18, 0), 0},
		{"value 9", change(little, 18, 9), 0},
		{"SBYTE", change(little, 12, 6), 6},
		{"SSHORT", change(big, 13, 8), 8},
		{"SLONG", change(little, 12, 9), 6},
		{"SLONG, big-endian", change(change(big, 13, 9), 18, 0, 0, 0, 7), 7},
		{"a negative SSHORT", change(change(little, 12, 8), 18, 0xff, 0xff), 0},
		{"two values", change(little, 14, 2), 6},
		{"two values of LONG elsewhere in the block", append(change(change(change(little, 12, 4), 14, 2), 18, byte(len(little))), 3, 0, 0, 0, 1, 0, 0, 0), 3},
		{"three values of SHORT beyond the end", change(change(little, 14, 3), 18, byte(len(little)-4)), 0},
		{"values at the far end", change(change(little, 14, 3), 18, 0xff, 0xff, 0xff, 0xff), 0},
		{"more values than 32 bits of bytes", change(change(little, 12, 4), 14, 0xff, 0xff, 0xff, 0xff), 0},
		{"no values", change(little, 14, 0), 0},
		{"type ASCII", change(little, 12, 2), 0},
		{"directory outside", change(little, 4, 200), 0},
		{"directory inside the header", change(little, 4, 2), 0},
		{"directory at the far end", change(little, 4, 0xff, 0xff, 0xff, 0xff), 0},
		{"more entries than data", change(change(little, 8, 0xff, 0xff), 10, 0), 0},
		{"another tag", change(little, 10, 0x13), 0},
	} {
		if got := Parse(tt.in); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	for n := range little {
		Parse(little[:n]) // must not panic
	}
}
