package main

// Lambda's way to widen: an SQS mapping starts with five invocations at once and
// gains up to 300 a minute while there is a backlog.
const (
	firstPollers     = 5
	pollersPerSecond = 300.0 / 60
)

// Moment is the state of the pipeline some seconds after a burst began.
type Moment struct {
	Second      int
	Depth       [stageCount]float64 // records that wait
	Concurrency [stageCount]float64 // invocations at once
}

// Burst is what becomes of records that come on top of nothing, all at once.
type Burst struct {
	Moments []Moment
	Drained int                 // the second at which nothing waits; -1: not within the limit
	Deepest [stageCount]float64 // the most that waited
	Longest [stageCount]float64 // the longest that a record waited until it was begun, in seconds, first in first out
}

// burstLimit bounds the simulation: the days that a queue keeps a message.
const burstLimit = 4 * daySeconds

// Simulate puts n uploads in at second 0 and steps through what follows, a
// second at a time. What a stage finishes in one second waits for the next stage
// in the following.
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

// waiting is who waits, first in first out.
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

// leave takes the first n out, and tells when the last of them came.
func (w *waiting) leave(n float64) (came int) {
	for len(*w) > 0 && n > 0 {
		first := &(*w)[0]
		came = first.second
		taken := min(n, first.n)
		first.n, n = first.n-taken, n-taken
		if first.n > 0 {
			break
		}
		*w = (*w)[1:]
	}
	return came
}
