package main

// How Lambda scales an SQS mapping: it starts with five concurrent invocations
// and adds up to 300 per minute while there is a backlog.
const (
	firstPollers     = 5
	pollersPerSecond = 300.0 / 60
)

// Moment is the state of the pipeline at one second after the start of a burst.
type Moment struct {
	Second      int
	Depth       [stageCount]float64 // waiting records
	Concurrency [stageCount]float64 // concurrent invocations
}

// Burst is the result of a simulated burst on an idle pipeline.
type Burst struct {
	Moments []Moment
	Drained int                 // the second at which nothing waits; -1 if that is after the limit
	Deepest [stageCount]float64 // the most waiting records
	Longest [stageCount]float64 // the longest wait of a record until it is started, in seconds, first in first out
}

// burstLimit limits the simulation to the retention of a queue, in seconds.
const burstLimit = 4 * daySeconds

// Simulate adds n uploads at second 0 and simulates the pipeline in steps of
// one second. The results of a stage reach the next stage one second later.
func (m Model) Simulate(n float64) Burst {
	depth := [stageCount]float64{uploads: n}
	var concurrency [stageCount]float64
	var lines [stageCount]waiting
	lines[uploads].arrive(0, n)
	b := Burst{Drained: -1}
	next := [stageCount]float64{uploads: 1, jobs: m.Flow.ChangesOfUpload, changes: 0}
	if m.Flow.ChangesOfUpload > 0 {
		next[changes] = m.Flow.Notifications / m.Flow.ChangesOfUpload
	}
	for second := 0; second <= burstLimit; second++ {
		var came, left [stageCount]float64
		busy := false
		for i, s := range m.Stages {
			switch {
			case depth[i] < 0.5:
				depth[i], concurrency[i] = 0, 0
				continue
			case s.Stream:
				concurrency[i] = s.Concurrency
			case concurrency[i] == 0:
				concurrency[i] = min(firstPollers, s.Concurrency)
			default:
				concurrency[i] = min(concurrency[i]+pollersPerSecond, s.Concurrency)
			}
			busy = true
			done := min(depth[i], s.perSecondAt(concurrency[i]))
			b.Deepest[i] = max(b.Deepest[i], depth[i])
			b.Longest[i] = max(b.Longest[i], float64(second-lines[i].leave(done)))
			left[i] = done
			if i+1 < stageCount {
				came[i+1] += done * next[i]
			}
		}
		b.Moments = append(b.Moments, Moment{second, depth, concurrency})
		if !busy {
			b.Drained = second
			return b
		}
		for i := range depth {
			depth[i] += came[i] - left[i]
			lines[i].arrive(second+1, came[i])
		}
	}
	return b
}

// waiting is a queue of records, first in first out.
type waiting []arrival

type arrival struct {
	second int
	n      float64
}

func (w *waiting) arrive(second int, n float64) {
	if n > 0 {
		*w = append(*w, arrival{second, n})
	}
}

// leave removes the first n records, and returns when the last of them arrived.
func (w *waiting) leave(n float64) (arrived int) {
	for len(*w) > 0 && n > 0 {
		first := &(*w)[0]
		arrived = first.second
		taken := min(n, first.n)
		first.n, n = first.n-taken, n-taken
		if first.n > 0 {
			break
		}
		*w = (*w)[1:]
	}
	return arrived
}
