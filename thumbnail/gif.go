package thumbnail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"
)

// openGIF reads the screen's size. The first frame is the picture, and further frames are not read.
func openGIF(r *bufio.Reader, _ *Options) (*header, error) {
	const headLen = 13
	head := make([]byte, headLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	h := &header{
		width:  int(binary.LittleEndian.Uint16(head[6:])),
		height: int(binary.LittleEndian.Uint16(head[8:])),
	}
	w, ht := int64(h.width), int64(h.height)
	// The frame's indices, an RGBA row, and what is kept of it.
	h.memory = func(ratio float64) int64 {
		return w*ht + 4*w + reducedBytes(w, ht, 4, int64(boxReduction(ratio, h.width, h.height)))
	}
	h.decode = func(ratio float64) (*raster, error) {
		img, err := gif.Decode(io.MultiReader(bytes.NewReader(head), r))
		if err != nil {
			return nil, err
		}
		frame, ok := img.(*image.Paletted)
		if !ok {
			return nil, &UnsupportedError{Format: formatGIF, Reason: "its frame has no palette"}
		}
		return reduceFrame(frame, h.width, h.height, boxReduction(ratio, h.width, h.height)), nil
	}
	return h, nil
}

// reduceFrame puts a frame on its screen, row by row. A frame may be smaller; what it leaves free is transparent.
func reduceFrame(frame *image.Paletted, w, h, reduction int) *raster {
	var palette [256][4]byte
	for i, c := range frame.Palette {
		r, g, b, a := c.RGBA() // multiplied by alpha
		palette[i] = [4]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8), byte(a >> 8)}
	}
	red := newReducer(w, h, 4, reduction)
	row := make([]byte, 4*w)
	for y := range h {
		clear(row)
		if y >= frame.Rect.Min.Y && y < frame.Rect.Max.Y {
			from := (y - frame.Rect.Min.Y) * frame.Stride
			out := row[4*frame.Rect.Min.X:]
			for i, v := range frame.Pix[from : from+frame.Rect.Dx()] {
				copy(out[4*i:4*i+4], palette[v][:])
			}
		}
		red.add(row)
	}
	return red.raster(true)
}
