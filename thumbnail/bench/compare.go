package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"sluice/thumbnail"
)

// compared is the quality of one photograph's thumbnail.
type compared struct {
	name                 string
	ours, sharp, imaging float64 // PSNR before encoding, dB, against the reference
	bytes                float64 // our bytes divided by sharp's at equal SSIM; 0 when unknown
}

// photographs are opaque and in sRGB, so that every peer reads the same
// colours.
var photographs = []string{
	"camera-24mp-baseline.jpg", "camera-24mp-progressive.jpg", "2569067123_aca715a2ee_o.jpg", "Landscape_1.jpg", "Portrait_1.jpg", "low-contrast.jpg", "gain-map.jpg",
}

var qualities = []int{60, 65, 70, 75, 80, 85, 90, 95}

// compare measures quality against full decoding and Lanczos3 by libvips,
// "-exact" in floating point or "-reference" on bytes.
func (b *bench) compare(file string, size int, reference string) (compared, error) {
	c := compared{name: filepath.Base(file)}
	images, err := openFile(file, size, func(p *thumbnail.Picture) (*pixels, error) {
		images, err := p.Images(context.Background())
		if err != nil {
			return nil, err
		}
		return pixelsOf(images[0]), nil
	})
	if err != nil {
		return c, err
	}
	want := &pixels{w: images.w, h: images.h}
	out := filepath.Join(b.dir, "reference.rgb")
	vips := exec.Command(b.peers["libvips"].command[0], reference, file, strconv.Itoa(images.w), strconv.Itoa(images.h), out)
	if msg, err := vips.CombinedOutput(); err != nil {
		return c, fmt.Errorf("reference: %w: %s", err, msg)
	}
	if want.rgb, err = os.ReadFile(out); err != nil {
		return c, err
	}
	if c.ours, err = psnr(images, want); err != nil {
		return c, fmt.Errorf("ours: %w", err)
	}
	small, err := naiveSmall(file, size)
	if err != nil {
		return c, err
	}
	if c.imaging, err = psnr(pixelsOf(small), want); err != nil {
		return c, fmt.Errorf("imaging: %w", err)
	}
	if b.peers["sharp"].missing != "" {
		return c, nil
	}
	return c, b.compareSharp(&c, file, size, want)
}

func (b *bench) compareSharp(c *compared, file string, size int, reference *pixels) error {
	out := filepath.Join(b.dir, "sharp-out")
	command := b.peers["sharp"].command
	cmd := exec.Command(command[0], append(append([]string(nil), command[1:]...), file, strconv.Itoa(size), "1", out)...)
	cmd.Dir = b.dir
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("sharp: %w", err)
	}
	raw := &pixels{}
	var dim struct{ W, H int }
	if err := json.Unmarshal(text, &dim); err != nil {
		return err
	}
	raw.w, raw.h = dim.W, dim.H
	if raw.rgb, err = os.ReadFile(out + ".rgb"); err != nil {
		return err
	}
	if raw.w != reference.w || raw.h != reference.h {
		return nil // sharp rounds some sizes up, so there is nothing to compare
	}
	if c.sharp, err = psnr(raw, reference); err != nil {
		return err
	}
	var ours, theirs []encoded
	for _, q := range qualities {
		data, err := os.ReadFile(fmt.Sprintf("%s.%d.jpg", out, q))
		if err != nil {
			return err
		}
		e, err := rate(data, reference)
		if err != nil {
			return err
		}
		theirs = append(theirs, e)
		data, err = openFile(file, size, func(p *thumbnail.Picture) ([]byte, error) {
			res, err := p.Thumbnails(context.Background())
			if err != nil {
				return nil, err
			}
			return res.Thumbnails[0].Data, nil
		}, q)
		if err != nil {
			return err
		}
		if e, err = rate(data, reference); err != nil {
			return err
		}
		ours = append(ours, e)
	}
	c.bytes = bytesAtEqualSSIM(ours, theirs)
	return nil
}

// encoded is a thumbnail's size in bytes and its similarity to the reference.
type encoded struct {
	bytes float64
	ssim  float64
}

func rate(data []byte, reference *pixels) (encoded, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return encoded{}, err
	}
	s, err := ssim(pixelsOf(img), reference)
	return encoded{bytes: float64(len(data)), ssim: s}, err
}

// bytesAtEqualSSIM returns the mean ratio of bytes over the SSIMs that both
// reach, by interpolation between qualities, so that a better picture at the
// same quality number does not count as a larger file.
func bytesAtEqualSSIM(ours, theirs []encoded) float64 {
	var sum float64
	n := 0
	for _, t := range theirs {
		for i := 1; i < len(ours); i++ {
			a, b := ours[i-1], ours[i]
			if t.ssim < a.ssim || t.ssim > b.ssim || a.ssim == b.ssim {
				continue
			}
			f := (t.ssim - a.ssim) / (b.ssim - a.ssim)
			sum += math.Exp(math.Log(a.bytes)*(1-f)+math.Log(b.bytes)*f) / t.bytes
			n++
			break
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// openFile opens a picture, calls use with it and closes it.
func openFile[T any](file string, size int, use func(*thumbnail.Picture) (T, error), quality ...int) (out T, err error) {
	f, err := os.Open(file)
	if err != nil {
		return out, err
	}
	defer f.Close()
	o := options(size)
	if len(quality) > 0 {
		o.Quality = quality[0]
	}
	p, err := thumbnail.Open(f, o)
	if err != nil {
		return out, err
	}
	return use(p)
}
