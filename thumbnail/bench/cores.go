package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/thumbnail"
)

// linear lists the pictures of one kind by size, smallest first, with their
// megapixels.
var linear = []struct {
	name string
	mp   float64
}{{"baseline 1 MP", 1200 * 832 / 1e6}, {"baseline 12 MP", 12}, {"baseline 24 MP", 24}, {"baseline 100 MP", 12000 * 8400 / 1e6}}

// fromMemory is the row of linear pictures that are in memory before the clock
// runs. A large file is read from outside the processor's caches, or from the
// disk once the page cache has dropped it, which is no property of the decoder.
const fromMemory = "ours from memory"

// measureLinear measures the linear pictures among the results from memory, in
// interleaved rounds.
func (b *bench) measureLinear(results map[string]*measured) error {
	times := map[string][]float64{}
	for range b.rounds {
		for _, l := range linear {
			m := results[l.name]
			if m == nil {
				continue
			}
			p := &peer{name: fromMemory, command: []string{b.peers["ours"].command[0], "child", "memory"}}
			s, err := p.measure(b.dir, m.file, m.size, max(1, int(200/l.mp)))
			if err != nil {
				return err
			}
			times[l.name] = append(times[l.name], s.Ms)
		}
	}
	for name, t := range times {
		results[name].ms[fromMemory] = median(t)
	}
	return nil
}

// perMP returns the CPU milliseconds a megapixel of the measured pictures.
func perMP(results map[string]*measured) (v []float64) {
	for _, l := range linear {
		if m := results[l.name]; m != nil {
			v = append(v, m.ms[fromMemory]/l.mp)
		}
	}
	return v
}

// growth is the largest ratio of a picture's figure a megapixel to that of any
// smaller picture: 1 is linear, and less is better. It is 0 unless all were
// measured.
func growth(results map[string]*measured) float64 {
	v := perMP(results)
	if len(v) < len(linear) {
		return 0
	}
	worst, least := 0.0, v[0]
	for _, ms := range v[1:] {
		worst, least = max(worst, ms/least), min(least, ms)
	}
	return worst
}

func printLinearity(out io.Writer, results map[string]*measured) {
	if len(perMP(results)) == 0 {
		return
	}
	fmt.Fprint(out, "\nCPU ms a megapixel, ours from memory:")
	for _, l := range linear {
		if m := results[l.name]; m != nil {
			fmt.Fprintf(out, "  %s %.3f", l.name, m.ms[fromMemory]/l.mp)
		}
	}
	fmt.Fprintln(out)
}

// twoCores returns the throughput of two cores divided by that of one, for a
// batch of the 24 MP photograph. It is 0 when it was not measured.
func (b *bench) twoCores(out io.Writer) (float64, error) {
	if !strings.Contains("batch on 1 and on 2 cores", b.only) {
		return 0, nil
	}
	file := b.photograph("camera-24mp-baseline.jpg")
	if _, err := os.Stat(file); err != nil {
		fmt.Fprintf(out, "left out: batch on 1 and on 2 cores: %v\n", err)
		return 0, nil
	}
	if n := runtime.NumCPU(); n < 2 {
		fmt.Fprintf(out, "left out: batch on 1 and on 2 cores: there are %d\n", n)
		return 0, nil
	}
	const batch = 24
	took := map[int][]float64{}
	for range b.rounds {
		for cores := 1; cores <= 2; cores++ {
			command := b.peers["ours"].command
			cmd := exec.Command(command[0], command[1], "batch", file, "200", strconv.Itoa(batch))
			cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
			cmd.Stderr = os.Stderr
			text, err := cmd.Output()
			if err != nil {
				return 0, fmt.Errorf("batch on %d cores: %w", cores, err)
			}
			var s sample
			if err := json.Unmarshal(text, &s); err != nil {
				return 0, err
			}
			took[cores] = append(took[cores], s.Ms)
		}
	}
	one, two := median(took[1]), median(took[2])
	fmt.Fprintf(out, "\nbatch of %d x 24 MP, thumbnails a second: %.1f on 1 core, %.1f on 2 cores (%.2f times)\n", batch, 1000/one, 1000/two, one/two)
	return one / two, nil
}

// batch makes n thumbnails, one on each core at a time, and returns the wall
// milliseconds of each.
func batch(file string, size, n int, pool *thumbnail.Pool) (float64, error) {
	cores := runtime.GOMAXPROCS(0)
	// The decoder of each core is warm before the clock starts.
	var warm sync.WaitGroup
	for range cores {
		warm.Go(func() { _ = ours(file, size, pool) })
	}
	warm.Wait()
	g, _ := errgroup.WithContext(context.Background())
	g.SetLimit(cores)
	start := time.Now()
	for range n {
		g.Go(func() error { return ours(file, size, pool) })
	}
	err := g.Wait()
	return float64(time.Since(start).Microseconds()) / 1000 / float64(max(n, 1)), err
}
