package thumbnail

import (
	"sync"

	"sluice/thumbnail/scaledjpeg"
)

// Pool keeps decoders from one picture to the next. Small JPEGs spend half of their time and more on the tables and buffers of a new one, and cameras
// write the same tables into every picture (BenchmarkPool). The zero value is ready; a nil *Pool keeps nothing. Safe for
// concurrent use. What it keeps is the garbage collector's to take, and never a picture: at most 1 MiB of planes a decoder.
type Pool struct {
	jpeg sync.Pool
}

// keptPlanes is the most memory for samples that a waiting decoder holds: that of 24 megapixels at 1/8.
const keptPlanes = 1 << 20

func (p *Pool) getJPEG() *scaledjpeg.Decoder {
	if p != nil {
		if d, ok := p.jpeg.Get().(*scaledjpeg.Decoder); ok {
			return d
		}
	}
	return new(scaledjpeg.Decoder)
}

// putJPEG takes a decoder whose planes nobody reads any more.
func (p *Pool) putJPEG(d *scaledjpeg.Decoder) {
	if p != nil {
		d.Trim(keptPlanes)
		p.jpeg.Put(d)
	}
}
