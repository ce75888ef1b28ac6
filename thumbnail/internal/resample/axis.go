package resample

import (
	"math"
	"sync"
)

// kernelLobes is the kernel's reach: sinc(x)·sinc(x/3) for |x| < 3.
const kernelLobes = 3

// kernelSteps is the table's resolution per unit. With linear interpolation the
// error is below 2^-18, and weights have 14 bits.
const kernelSteps = 512

var kernelTable = sync.OnceValue(func() *[kernelLobes*kernelSteps + 2]float32 {
	var table [kernelLobes*kernelSteps + 2]float32
	table[0] = 1
	for i := 1; i < kernelLobes*kernelSteps; i++ {
		x := math.Pi * float64(i) / kernelSteps
		table[i] = float32(math.Sin(x) / x * math.Sin(x/kernelLobes) / (x / kernelLobes))
	}
	return &table
})

// weightBits is the precision of weights: they are integers that add up to 1 <<
// weightBits.
const weightBits = 14

// Axis holds, for each pixel of a thumbnail's side, the samples that it is made
// of and their weights.
type Axis struct {
	taps   []tap
	weight []int32
	// from and to bound the samples used by any pixel.
	from, to int
}

type tap struct{ first, at, n int32 } // samples first … first+n-1, weights at … at+n-1

// Span describes one side of a resize: n pixels are made of the samples from
// offset on, step samples apart. With flip the pixels run from the far end to
// the near one.
type Span struct {
	N            int
	Offset, Step float64
	Size         int // samples there are
	Flip         bool
	Droop        float64 // of the samples, see raster
}

// NewAxis computes the weights. A pixel's centre lies at offset + (i+1/2)*step;
// samples that are missing beyond the edges give their weight to those that are
// there.
func NewAxis(s Span) *Axis {
	table := kernelTable()
	scale := max(s.Step, 1) // when enlarging, the kernel keeps its width
	support := kernelLobes * scale
	perTap := kernelSteps / scale
	if s.Droop > 0 {
		support++ // sharpening looks one sample further
	}
	a := &Axis{
		taps:   make([]tap, s.N),
		weight: make([]int32, 0, s.N*(int(2*support)+2)),
		from:   s.Size,
	}
	var raw []float32
	for i := range s.N {
		centre := s.Offset + (float64(i)+0.5)*s.Step
		first := max(0, int(math.Ceil(centre-support-0.5)))
		last := min(s.Size-1, int(math.Floor(centre+support-0.5)))
		first = min(first, s.Size-1)
		last = max(last, first)
		raw = raw[:0]
		for k := first - 1; k <= last+1; k++ {
			x := math.Abs(float64(k)+0.5-centre) * perTap
			at := int(x)
			var v float32
			if at < kernelLobes*kernelSteps {
				f := float32(x - float64(at))
				v = table[at]*(1-f) + table[at+1]*f
			}
			raw = append(raw, v)
		}
		var sum float32
		d := float32(s.Droop)
		before := raw[0]
		for k := range raw[2:] {
			// v - d·v'', the second derivative as a difference of neighbours.
			v := raw[k+1]*(1+2*d) - d*(before+raw[k+2])
			before = raw[k+1]
			raw[k] = v
			sum += v
		}
		raw = raw[:len(raw)-2]
		t := a.quantise(raw, sum, first)
		if s.Flip {
			a.taps[s.N-1-i] = t
		} else {
			a.taps[i] = t
		}
		a.from, a.to = min(a.from, int(t.first)), max(a.to, int(t.first+t.n))
	}
	return a
}

// quantise rounds weights so that they still add up exactly: the rest goes to
// the largest, where it is felt least. Zero weights at the ends are dropped.
func (a *Axis) quantise(raw []float32, sum float32, first int) tap {
	at := len(a.weight)
	factor := float32(1<<weightBits) / sum
	rest, largest := int32(1<<weightBits), at
	for _, v := range raw {
		w := int32(math.Round(float64(v * factor)))
		a.weight = append(a.weight, w)
		rest -= w
		if w > a.weight[largest] {
			largest = len(a.weight) - 1
		}
	}
	a.weight[largest] += rest
	for a.weight[len(a.weight)-1] == 0 {
		a.weight = a.weight[:len(a.weight)-1]
	}
	for a.weight[at] == 0 {
		at++
		first++
	}
	return tap{first: int32(first), at: int32(at), n: int32(len(a.weight) - at)}
}
