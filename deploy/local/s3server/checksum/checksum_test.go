package checksum

import (
	"encoding/hex"
	"testing"
)

// The published check values for "123456789".
func TestChecksumAlgorithms(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888",
		"sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "md5": "25f9e794323b453885f5181f1b624d0b",
	} {
		h, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
