package setup_test

import (
	"testing"

	"sluice/workers/setup"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		bytes setup.Bytes
		again string
	}{
		"0":                   {0, "0"},
		"1":                   {1, "1"},
		"-1":                  {-1, "-1"},
		"1000":                {1000, "1000"},
		"67108864":            {64 << 20, "64MiB"},
		"64MiB":               {64 << 20, "64MiB"},
		"1KiB":                {1 << 10, "1KiB"},
		"1536KiB":             {3 << 19, "1536KiB"},
		"5TiB":                {5 << 40, "5TiB"},
		"3GiB":                {3 << 30, "3GiB"},
		"64MB":                {64e6, "62500KiB"},
		"1KB":                 {1000, "1000"},
		"2GB":                 {2e9, "1953125KiB"},
		"1TB":                 {1e12, "976562500KiB"},
		"2^0":                 {1, "1"},
		"2^30":                {1 << 30, "1GiB"},
		"2^62":                {1 << 62, "4194304TiB"},
		"9223372036854775807": {1<<63 - 1, "9223372036854775807"},
	} {
		var got setup.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want.bytes || got.String() != want.again {
			t.Errorf("%s: got %d, printed as %s, %v, want %d, printed as %s", text, got, got, err, want.bytes, want.again)
		}
	}
	for _, text := range []string{"", "MiB", "64 MiB", "2^", "2^63", "2^-1", "2^+1", "3^2", "2^3MiB", "2^999", "64mib", "64M", "1.5GiB", "0x10", "9223372036854775808", "8388608TiB", "-8388609TiB"} {
		var got setup.Bytes
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 0 {
			t.Errorf("%q: got %d, %v, want an error", text, got, err)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]setup.Count{"0": 0, "-1": -1, "1000": 1000, "2^30": 1 << 30} {
		var got setup.Count
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1.5", "1e9", "2^63", "64MiB", "9223372036854775808"} {
		var got setup.Count
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 0 {
			t.Errorf("%q: got %d, %v, want an error", text, got, err)
		}
	}
}
