package thumbnail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/draw"
	"image/gif"
	"io"
)

// openGIF reads the screen's size. The first frame is the picture, and further frames are not read.
func openGIF(r *bufio.Reader) (*header, error) {
	const headLen = 13
	head := make([]byte, headLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	h := &header{
		width:  int(binary.LittleEndian.Uint16(head[6:])),
		height: int(binary.LittleEndian.Uint16(head[8:])),
	}
	h.bytes = int64(h.width) * int64(h.height) * (1 + 4) // indices, and the canvas in RGBA
	h.decode = func() (image.Image, error) {
		frame, err := gif.Decode(io.MultiReader(bytes.NewReader(head), r))
		if err != nil {
			return nil, err
		}
		// A frame may be smaller than the screen; what it leaves free is transparent.
		canvas := image.NewRGBA(image.Rect(0, 0, h.width, h.height))
		draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
		return canvas, nil
	}
	return h, nil
}
