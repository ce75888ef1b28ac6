// Package quantise chooses up to 255 colours for a picture by median cut.
//
// Colours are counted with 5 bits a channel. All of them form a box. The box
// with the greatest w²·n, where w is its width along its widest channel and n
// its number of pixels, is cut where half of its pixels lie on either side,
// until there are enough boxes. Each box stands for the mean of its pixels.
package quantise

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// Paletted returns the picture with at most 255 colours and one that is
// transparent: a pixel of opacity 128 or more is opaque.
func Paletted(img *image.NRGBA) *image.Paletted {
	out := image.NewPaletted(img.Rect, nil)
	q := newQuantiser(img)
	for _, c := range q.colours {
		out.Palette = append(out.Palette, c)
	}
	transparent := uint8(len(out.Palette))
	out.Palette = append(out.Palette, color.NRGBA{})
	for i := range out.Pix {
		p := img.Pix[4*i : 4*i+4]
		if p[3] < 128 {
			out.Pix[i] = transparent
			continue
		}
		out.Pix[i] = q.index(p[0], p[1], p[2])
	}
	return out
}

// quantiser holds the colours of a picture and the nearest colour of each cell
// of colours.
type quantiser struct {
	colours []color.NRGBA
	nearest [1 << 15]uint8 // by 5 bits of red, green and blue
}

type colourCount struct {
	r, g, b uint8 // 5 bits
	n       int
	sum     [3]int
}

func newQuantiser(img *image.NRGBA) *quantiser {
	var seen [1 << 15]*colourCount
	var all []*colourCount
	for i := 0; i < len(img.Pix); i += 4 {
		p := img.Pix[i : i+4 : i+4]
		if p[3] < 128 {
			continue
		}
		key := colourKey(p[0], p[1], p[2])
		c := seen[key]
		if c == nil {
			c = &colourCount{r: p[0] >> 3, g: p[1] >> 3, b: p[2] >> 3}
			seen[key] = c
			all = append(all, c)
		}
		c.n++
		c.sum[0] += int(p[0])
		c.sum[1] += int(p[1])
		c.sum[2] += int(p[2])
	}
	q := &quantiser{}
	for _, box := range cutBoxes(all, 255) {
		index := uint8(len(q.colours))
		q.colours = append(q.colours, meanColour(box))
		for _, c := range box {
			q.nearest[int(c.r)<<10|int(c.g)<<5|int(c.b)] = index
		}
	}
	return q
}

func colourKey(r, g, b uint8) int { return int(r>>3)<<10 | int(g>>3)<<5 | int(b>>3) }

// index returns the colour for a pixel of the picture.
func (q *quantiser) index(r, g, b uint8) uint8 { return q.nearest[colourKey(r, g, b)] }

func cutBoxes(all []*colourCount, most int) [][]*colourCount {
	if len(all) == 0 {
		return nil
	}
	boxes := [][]*colourCount{all}
	for len(boxes) < most {
		best, widest, channel := -1, 0, 0
		for i, box := range boxes {
			if c, spread := spreadOf(box); spread > widest {
				best, widest, channel = i, spread, c
			}
		}
		if best < 0 {
			break // every box is a single colour
		}
		low, high := cutBox(boxes[best], channel)
		boxes[best] = low
		boxes = append(boxes, high)
	}
	return boxes
}

func (c *colourCount) channel(i int) uint8 { return [3]uint8{c.r, c.g, c.b}[i] }

// spreadOf returns the channel in which a box is widest, and its squared width
// times its number of pixels; 0 for a single colour.
func spreadOf(box []*colourCount) (channel, spread int) {
	pixels := 0
	var low, high [3]uint8
	low = [3]uint8{255, 255, 255}
	for _, c := range box {
		pixels += c.n
		for i := range 3 {
			low[i], high[i] = min(low[i], c.channel(i)), max(high[i], c.channel(i))
		}
	}
	width := 0
	for i := range 3 {
		if w := int(high[i]) - int(low[i]); w > width {
			channel, width = i, w
		}
	}
	return channel, width * width * pixels
}

// cutBox divides a box of more than one colour at the median of a channel.
func cutBox(box []*colourCount, channel int) (low, high []*colourCount) {
	slices.SortFunc(box, func(a, b *colourCount) int {
		return cmp.Or(cmp.Compare(a.channel(channel), b.channel(channel)), cmp.Compare(colourOrder(a), colourOrder(b)))
	})
	pixels := 0
	for _, c := range box {
		pixels += c.n
	}
	at, before := 0, 0
	for before < pixels/2 && at < len(box)-1 {
		before += box[at].n
		at++
	}
	at = max(at, 1)
	return box[:at:at], box[at:]
}

func colourOrder(c *colourCount) int { return int(c.r)<<10 | int(c.g)<<5 | int(c.b) }

func meanColour(box []*colourCount) color.NRGBA {
	n := 0
	var sum [3]int
	for _, c := range box {
		n += c.n
		for i := range sum {
			sum[i] += c.sum[i]
		}
	}
	return color.NRGBA{uint8((sum[0] + n/2) / n), uint8((sum[1] + n/2) / n), uint8((sum[2] + n/2) / n), 255}
}
