package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// bench is one run of the command.
type bench struct {
	dir, photos string
	rounds      int
	only        string
	peers       map[string]*peer
}

// measured holds the peers' figures for an input.
type measured struct {
	input
	ms, rss map[string]float64 // by peer: medians of CPU, largest peak
}

// ratio is our CPU time divided by a peer's, 0 when one is unknown.
func (m *measured) ratio(peer string) float64 {
	if m == nil || m.ms[peer] == 0 {
		return 0
	}
	return m.ms["ours"] / m.ms[peer]
}

// run prints the measurements and returns the number of missed promises.
func (b *bench) run(out io.Writer) (missed int, err error) {
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return 0, err
	}
	b.dir = dir
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return 0, err
	}
	if b.photos, err = filepath.Abs(b.photos); err != nil {
		return 0, err
	}
	order, err := findPeers(b.dir)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "%s %s/%s, %d CPUs, %d rounds\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.rounds)
	b.peers = map[string]*peer{}
	for _, p := range order {
		b.peers[p.name] = p
		if p.missing != "" {
			fmt.Fprintf(out, "left out: %s: %s\n", p.name, p.missing)
		}
	}
	results := map[string]*measured{}
	fmt.Fprintf(out, "\nCPU ms a thumbnail (ratio of ours), peak RSS MB of the process\n%-20s", "input")
	for _, p := range order {
		fmt.Fprintf(out, "%-24s", p.name)
	}
	fmt.Fprintln(out)
	for _, in := range b.inputs() {
		if !strings.Contains(in.name, b.only) {
			continue
		}
		if in.why != "" {
			fmt.Fprintf(out, "left out: %s: %s\n", in.name, in.why)
			continue
		}
		m, err := b.measureAll(order, in)
		if err != nil {
			return 0, err
		}
		results[in.name] = m
		printCPU(out, order, m)
	}
	f := figures{results: results, pipe: b.pipeRSS(out, results)}
	if err := b.measureLinear(results); err != nil {
		return 0, err
	}
	printLinearity(out, results)
	if f.cores, err = b.twoCores(out); err != nil {
		return 0, err
	}
	if strings.Contains("quality", b.only) {
		f.quality = b.compareAll(out)
	}
	return printPromises(out, f), nil
}

// measureAll runs every peer in turn, once each round.
func (b *bench) measureAll(order []*peer, in input) (*measured, error) {
	m := &measured{input: in, ms: map[string]float64{}, rss: map[string]float64{}}
	times := map[string][]float64{}
	for round := range b.rounds {
		for _, p := range order {
			if p.name == "imaging" && round > 0 {
				continue // a picture takes seconds: one round is enough
			}
			if p.missing != "" || p.jpegOnly && !strings.HasSuffix(in.file, ".jpg") {
				continue
			}
			// The slow peer gets fewer repetitions: a run of a second needs no
			// averaging.
			n := in.n
			if p.name == "imaging" {
				n = max(1, n/4)
			}
			s, err := p.measure(b.dir, in.file, in.size, n)
			if err != nil {
				return nil, err
			}
			times[p.name] = append(times[p.name], s.Ms)
			m.rss[p.name] = max(m.rss[p.name], s.KB/1024)
		}
	}
	for name, t := range times {
		m.ms[name] = median(t)
	}
	return m, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// printCPU prints a row as soon as it is measured.
func printCPU(out io.Writer, order []*peer, m *measured) {
	fmt.Fprintf(out, "%-20s", m.name)
	for _, p := range order {
		ms, ok := m.ms[p.name]
		cell := "-"
		switch {
		case ok && p.name == "ours":
			cell = fmt.Sprintf("%.2f  %.0f MB", ms, m.rss[p.name])
		case ok:
			cell = fmt.Sprintf("%.2f (%.2f)  %.0f MB", ms, m.ratio(p.name), m.rss[p.name])
		}
		fmt.Fprintf(out, "%-24s", cell)
	}
	fmt.Fprintln(out)
}

// pipeRSS is the peak memory, in MB, of a process that makes one thumbnail from
// a pipe with our code and nothing else.
func (b *bench) pipeRSS(out io.Writer, results map[string]*measured) map[string]float64 {
	peak := map[string]float64{}
	for _, name := range []string{"baseline 100 MP", "progressive 100 MP", "PNG 24 MP"} {
		m := results[name]
		if m == nil {
			continue
		}
		s, err := b.fromPipe(m)
		if err != nil {
			fmt.Fprintf(out, "left out: %s from a pipe: %v\n", name, err)
			continue
		}
		peak[name] = s.KB / 1024
	}
	return peak
}

func (b *bench) fromPipe(m *measured) (s sample, err error) {
	f, err := os.Open(m.file)
	if err != nil {
		return s, err
	}
	defer f.Close()
	command := b.peers["ours"].command
	cmd := exec.Command(command[0], command[1], command[2], "-", "200", "0")
	cmd.Stdin = struct{ io.Reader }{f} // hides the file, so that exec makes a pipe
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

func (b *bench) compareAll(out io.Writer) []compared {
	if p := b.peers["libvips"]; p.missing != "" {
		fmt.Fprintln(out, "left out: quality: libvips makes the reference")
		return nil
	}
	var all []compared
	fmt.Fprintln(out, "\nPSNR before encoding in dB, 200 x 200, against full decoding and Lanczos3 by libvips on bytes, as promised")
	fmt.Fprintln(out, "(in brackets: by libvips in floating point; on bytes it comes out 0.4 to 1.4 grey levels too dark); bytes at equal SSIM against sharp")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "photograph\tours\tsharp\timaging\tbytes")
	for _, name := range photographs {
		file := b.photograph(name)
		c, err := b.compare(file, 200, "-exact")
		if err != nil {
			fmt.Fprintf(t, "%s\tleft out: %s\n", name, firstLine(err))
			continue
		}
		plain, err := b.compare(file, 200, "-reference")
		if err != nil {
			fmt.Fprintf(t, "%s\tleft out: %s\n", name, firstLine(err))
			continue
		}
		sharp := "-\t%s\t-" // its size is rounded differently
		if c.sharp > 0 {
			sharp = fmt.Sprintf("%.1f (%.1f)\t%%s\t%.3f", plain.sharp, c.sharp, c.bytes)
		}
		imaging := fmt.Sprintf("%.1f (%.1f)", plain.imaging, c.imaging)
		fmt.Fprintf(t, "%s\t%.1f (%.1f)\t%s\n", c.name, plain.ours, c.ours, fmt.Sprintf(sharp, imaging))
		plain.bytes = c.bytes
		all = append(all, plain)
	}
	t.Flush()
	return all
}
