package thumbnail

import (
	"compress/zlib"
	"io"
)

func newInflater(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
