package payload

import (
	"bytes"
	"io"
	"testing"
)

func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte("6\r\nhello \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), int64(11), true)
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), int64(5), false)
	f.Fuzz(func(t *testing.T, in []byte, length int64, trailer bool) {
		c := newChunkedReader(bytes.NewReader(in), length, false, trailer)
		out, err := io.ReadAll(c)
		if err == nil && int64(len(out)) > length {
			t.Errorf("%d bytes out of a body of %d", len(out), length)
		}
		if len(out) > len(in) {
			t.Error("more out than in")
		}
	})
}
