// Package testpicture makes the pictures that tests and benchmarks read, so
// that a clone runs all of them without photographs. The same arguments give
// the same bytes.
//
// [Camera] draws something with the statistics of a photograph. A natural
// picture's amplitude falls with the frequency f as 1/f: each octave of detail
// has about the same contrast. The texture is therefore a sum of octaves of
// value noise,
//
//	t(x,y) = Σ a(k) n(x/2^k, y/2^k)	k = 1 … 7
//
// where n interpolates random values at whole coordinates with the smooth step
// 3t²-2t³. Edges of objects, slow waves of light and sensor noise come on top.
// [JPEG] writes it as cameras and web sites do: baseline or progressive, 4:2:0
// or 4:4:4, with EXIF and a colour profile.
package testpicture

import (
	"image"
	"math"
	"math/rand/v2"
	"sync"
)

// textureSide is the period of the texture in both directions.
const textureSide = 512

// texture returns textureSide x textureSide samples of periodic 1/f noise,
// about -60 to 60.
var texture = sync.OnceValue(func() []int8 {
	rng := rand.New(rand.NewPCG(20, 26))
	sum := make([]float64, textureSide*textureSide)
	for octave := 1; octave <= 7; octave++ {
		cell := 1 << octave
		n := textureSide / cell
		lattice := make([]float64, n*n)
		for i := range lattice {
			lattice[i] = rng.Float64()*2 - 1
		}
		amplitude := 5 + 2.5*float64(octave)
		for y := range textureSide {
			fy := smoothStep(float64(y%cell) / float64(cell))
			top, bottom := y/cell*n, (y/cell+1)%n*n
			for x := range textureSide {
				fx := smoothStep(float64(x%cell) / float64(cell))
				left, right := x/cell, (x/cell+1)%n
				v := (lattice[top+left]*(1-fx)+lattice[top+right]*fx)*(1-fy) +
					(lattice[bottom+left]*(1-fx)+lattice[bottom+right]*fx)*fy
				sum[y*textureSide+x] += amplitude * v
			}
		}
	}
	out := make([]int8, len(sum))
	for i, v := range sum {
		out[i] = int8(min(max(v, -110), 110))
	}
	return out
})

func smoothStep(t float64) float64 { return t * t * (3 - 2*t) }

// Camera draws a picture of w x h with the statistics of a photograph, 4:2:0
// as cameras have it. Other seeds move the texture and the objects.
func Camera(w, h int, seed uint64) *image.YCbCr {
	rng := rand.New(rand.NewPCG(seed, 7))
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	tex, dx, dy := texture(), rng.IntN(textureSide), rng.IntN(textureSide)
	light := func(n int) []int {
		out := make([]int, n)
		phase := rng.Float64() * 6
		for i := range out {
			out[i] = int(28 * math.Sin(phase+5*float64(i)/float64(n)))
		}
		return out
	}
	columns, rows := light(w), light(h)
	// objects is a patchwork with hard edges, of a brightness and a tint each.
	const patches = 7
	var objects [patches * patches][3]int
	for i := range objects {
		objects[i] = [3]int{rng.IntN(70) - 35, rng.IntN(40) - 20, rng.IntN(40) - 20}
	}
	at := func(x, y int) *[3]int {
		// The edges lean, so that they meet every place in a block.
		px := (x + y/9) * patches / (w + h/9 + 1)
		py := (y + x/11) * patches / (h + w/11 + 1)
		return &objects[py*patches+px]
	}
	noise := seed*2862933555777941757 + 3037000493
	for y := range h {
		row := img.Y[y*img.YStride : y*img.YStride+w]
		detail := tex[(y+dy)%textureSide*textureSide:]
		for x := range row {
			noise = noise*6364136223846793005 + 1442695040888963407
			grain := int(noise>>62) + int(noise>>60&3) - 3
			row[x] = clamp(120 + columns[x] + rows[y] + at(x, y)[0] + int(detail[(x+dx)%textureSide])/2 + grain)
		}
	}
	for y := range (h + 1) / 2 {
		detail := tex[(2*y+dx)%textureSide*textureSide:]
		for x := range (w + 1) / 2 {
			o := at(min(2*x, w-1), min(2*y, h-1))
			t := int(detail[(2*x+dy)%textureSide]) / 6
			img.Cb[y*img.CStride+x] = clamp(128 + o[1] + t + columns[min(2*x, w-1)]/4)
			img.Cr[y*img.CStride+x] = clamp(128 + o[2] - t + rows[min(2*y, h-1)]/4)
		}
	}
	return img
}

// FullChroma returns the picture with a sample of chroma for each pixel.
func FullChroma(img *image.YCbCr) *image.YCbCr {
	out := image.NewYCbCr(img.Rect, image.YCbCrSubsampleRatio444)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			c := img.YCbCrAt(img.Rect.Min.X+x, img.Rect.Min.Y+y)
			i := y*out.YStride + x
			out.Y[i], out.Cb[i], out.Cr[i] = c.Y, c.Cb, c.Cr
		}
	}
	return out
}

// RGB returns the picture as opaque red, green and blue.
func RGB(img *image.YCbCr) *image.RGBA {
	out := image.NewRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			r, g, b, _ := img.YCbCrAt(img.Rect.Min.X+x, img.Rect.Min.Y+y).RGBA()
			copy(out.Pix[y*out.Stride+4*x:], []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8), 255})
		}
	}
	return out
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }
