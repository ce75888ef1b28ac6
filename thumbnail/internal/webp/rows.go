package webp

import (
	"fmt"
	"image"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/colour"

	"sluice/thumbnail/internal/vp8"
)

// reduceYCC reduces the planes of a lossy WebP. The levels are put right
// afterwards, on fewer samples.
func reduceYCC(img *image.YCbCr, reduction int) *raster.Raster {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := &raster.Raster{Model: raster.YCC, Droop: raster.DroopOf(reduction), Planes: []raster.Plane{
		reducePlane(img.Y, img.YStride, w, h, reduction),
		reducePlane(img.Cb, img.CStride, (w+1)/2, (h+1)/2, reduction),
		reducePlane(img.Cr, img.CStride, (w+1)/2, (h+1)/2, reduction),
	}}
	for i := range out.Planes[1:] {
		p := &out.Planes[i+1]
		// Of an odd side the last chroma sample covers half a step only.
		p.ExtentW, p.ExtentH = float64(w)/2/float64(reduction), float64(h)/2/float64(reduction)
	}
	vp8.FullRange(out)
	return out
}

func reducePlane(pix []byte, stride, w, h, reduction int) raster.Plane {
	r := raster.NewReducer(w, h, 1, reduction)
	for y := range h {
		r.Add(pix[y*stride : y*stride+w])
	}
	return r.Planes[0]
}

// reduceOnCanvas reduces a frame with transparency, or one that is only a part
// of its canvas.
func reduceOnCanvas(img image.Image, at image.Point, w, h, reduction int) (*raster.Raster, error) {
	red := raster.NewReducer(w, h, 4, reduction)
	row := make([]byte, 4*w)
	size := img.Bounds().Size()
	for y := range h {
		clear(row)
		if y >= at.Y && y < at.Y+size.Y {
			out := row[4*at.X : 4*(at.X+size.X)]
			switch img := img.(type) {
			case *image.NRGBA:
				copy(out, img.Pix[(y-at.Y)*img.Stride:])
				raster.Premultiply(out, 4)
			case *image.YCbCr:
				lossyRow(out, img, nil, y-at.Y)
			case *image.NYCbCrA:
				lossyRow(out, &img.YCbCr, img.A[(y-at.Y)*img.AStride:], y-at.Y)
			default:
				return nil, codec.Unsupported(codec.WebP, fmt.Sprintf("its frame is %T", img))
			}
		}
		red.Add(row)
	}
	return red.Raster(true), nil
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
		p[0], p[1], p[2] = colour.YCCToRGB(vp8.LumaLevels[luma[x]], vp8.ChromaLevels[cb[x/2]], vp8.ChromaLevels[cr[x/2]])
		p[3] = a
		if a != 255 {
			p[0], p[1], p[2] = raster.Scale(p[0], a), raster.Scale(p[1], a), raster.Scale(p[2], a)
		}
	}
}
