package thumbnail

import "sluice/thumbnail/internal/jpeg"

// Pool keeps decoders from one picture to the next. A small JPEG spends half of
// its time or more on the tables and buffers of a new decoder, and cameras
// write the same tables into every picture (BenchmarkPool). The zero value is
// ready; a nil *Pool keeps nothing. Safe for concurrent use. The garbage
// collector may take what a pool holds. It never holds a picture: at most 1 MiB
// of planes a decoder.
type Pool struct{ jpeg jpeg.Pool }

// jpegPool is nil for a nil pool.
func (p *Pool) jpegPool() *jpeg.Pool {
	if p == nil {
		return nil
	}
	return &p.jpeg
}
