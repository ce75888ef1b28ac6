package jpeg

import (
	"sync"

	"sluice/thumbnail/scaledjpeg"
)

// Pool keeps decoders from one picture to the next. The zero value is ready;
// a nil pool keeps nothing. Safe for concurrent use.
type Pool struct{ Decoders sync.Pool }

// keptPlanes is the most memory for samples that a waiting decoder holds: that
// of 24 megapixels at 1/8.
const keptPlanes = 1 << 20

func (p *Pool) get() *scaledjpeg.Decoder {
	if p != nil {
		if d, ok := p.Decoders.Get().(*scaledjpeg.Decoder); ok {
			return d
		}
	}
	return new(scaledjpeg.Decoder)
}

// put takes a decoder whose planes are not read any more.
func (p *Pool) put(d *scaledjpeg.Decoder) {
	if p != nil {
		d.Trim(keptPlanes)
		p.Decoders.Put(d)
	}
}
