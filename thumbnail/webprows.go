package thumbnail

import (
	"fmt"
	"image"
)

// reduceYCC reduces the planes of a lossy WebP. The levels are put right afterwards, on fewer samples.
func reduceYCC(img *image.YCbCr, reduction int) *raster {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := &raster{model: modelYCC, droop: droopOf(reduction), planes: []plane{
		reducePlane(img.Y, img.YStride, w, h, reduction),
		reducePlane(img.Cb, img.CStride, (w+1)/2, (h+1)/2, reduction),
		reducePlane(img.Cr, img.CStride, (w+1)/2, (h+1)/2, reduction),
	}}
	for i := range out.planes[1:] {
		p := &out.planes[i+1]
		// Of an odd side the last chroma sample covers half a step only.
		p.extentW, p.extentH = float64(w)/2/float64(reduction), float64(h)/2/float64(reduction)
	}
	fullRange(out)
	return out
}

func reducePlane(pix []byte, stride, w, h, reduction int) plane {
	r := newReducer(w, h, 1, reduction)
	for y := range h {
		r.add(pix[y*stride : y*stride+w])
	}
	return r.planes[0]
}

// reduceOnCanvas reduces a frame with transparency, or one that is only a part of its canvas.
func reduceOnCanvas(img image.Image, at image.Point, w, h, reduction int) (*raster, error) {
	red := newReducer(w, h, 4, reduction)
	row := make([]byte, 4*w)
	size := img.Bounds().Size()
	for y := range h {
		clear(row)
		if y >= at.Y && y < at.Y+size.Y {
			out := row[4*at.X : 4*(at.X+size.X)]
			switch img := img.(type) {
			case *image.NRGBA:
				copy(out, img.Pix[(y-at.Y)*img.Stride:])
				premultiply(out, 4)
			case *image.YCbCr:
				lossyRow(out, img, nil, y-at.Y)
			case *image.NYCbCrA:
				lossyRow(out, &img.YCbCr, img.A[(y-at.Y)*img.AStride:], y-at.Y)
			default:
				return nil, &UnsupportedError{Format: formatWebP, Reason: fmt.Sprintf("its frame is %T", img)}
			}
		}
		red.add(row)
	}
	return red.raster(true), nil
}

// lossyRow converts a row of a lossy frame to RGBA, multiplied by alpha.
func lossyRow(out []byte, img *image.YCbCr, alpha []byte, y int) {
	luma := img.Y[y*img.YStride:]
	cb, cr := img.Cb[y/2*img.CStride:], img.Cr[y/2*img.CStride:]
	for x := 0; 4*x < len(out); x++ {
		p := out[4*x : 4*x+4 : 4*x+4]
		a := byte(255)
		if alpha != nil {
			a = alpha[x]
		}
		if a == 0 {
			continue
		}
		p[0], p[1], p[2] = yccToRGB(lumaLevels[luma[x]], chromaLevels[cb[x/2]], chromaLevels[cr[x/2]])
		p[3] = a
		if a != 255 {
			p[0], p[1], p[2] = scaleByte(p[0], a), scaleByte(p[1], a), scaleByte(p[2], a)
		}
	}
}
