package thumbnail_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sluice/thumbnail"
	"sluice/thumbnail/internal/testpicture"
)

var updateDigests = flag.Bool("update-digests", false, "rewrite testdata/digests.txt")

// digestFile holds the digests of thumbnails made at commit c49c48e.
const digestFile = "testdata/digests.txt"

// digestForms are the size forms of commit c49c48e and the options that change
// their thumbnails.
var digestForms = []struct {
	name    string
	sizes   string
	options thumbnail.Options
}{
	{"fit", "200x200, 320x320, 800x800, 1600x1200, 64x64", thumbnail.Options{}},
	{"fill", "64x64:fill, 200x200:fill, 320x180:fill, 37x91:fill", thumbnail.Options{}},
	{"smart", "64x64:fill, 100x200:fill", thumbnail.Options{SmartCrop: true}},
	{"moving", "200x200, 64x64:fill", thumbnail.Options{MaxFrames: 10, SmartCrop: true}},
	{"quality", "200x200", thumbnail.Options{Quality: 62, Pool: new(thumbnail.Pool)}},
}

// digestPictures returns the fixtures and generated pictures.
func digestPictures(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../testdata/images/*.[gjpw]*")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	camera := testpicture.Camera(1800, 1201, 1)
	small := testpicture.Camera(301, 467, 2)
	for name, o := range map[string]testpicture.JPEGOptions{
		"baseline": {}, "progressive": {Progressive: true}, "turned": {Orientation: 7}, "p3": {Profile: testpicture.P3Profile(), Orientation: 8},
	} {
		all["camera-"+name+".jpg"] = testpicture.JPEG(camera, o)
		all["small-444-"+name+".jpg"] = testpicture.JPEG(testpicture.FullChroma(small), o)
	}
	rgb := testpicture.RGB(small)
	all["small.png"] = testpicture.EncodePNG(rgb)
	all["small-adobe.png"] = testpicture.WithPNGProfile(testpicture.EncodePNG(rgb), testpicture.AdobeProfile())
	all["cmyk-profile.jpg"] = testpicture.WithSegment(all["cmyk.jpg"], 0xe2, "ICC_PROFILE\x00\x01\x01"+string(testpicture.CMYKProfile(true)))
	faded := image.NewNRGBA(rgb.Rect)
	copy(faded.Pix, rgb.Pix)
	for i := 3; i < len(faded.Pix); i += 4 {
		faded.Pix[i] = byte(i / 4 % rgb.Rect.Dx())
	}
	all["faded.png"] = testpicture.EncodePNG(faded)
	all["large-letter.png"] = testpicture.EncodePNG(testpicture.Turned(testpicture.Letter(color.NRGBA{}), 5))
	moving := &gif.GIF{}
	for n := range 5 {
		f := image.NewPaletted(image.Rect(10*n, 0, 200, 150-n), color.Palette{color.Transparent, testpicture.TopLeft, testpicture.Ink, testpicture.Paper})
		for i := range f.Pix {
			f.Pix[i] = uint8((i*(n+3) + i/200) % 9 / 2 % 4)
		}
		moving.Image, moving.Delay, moving.Disposal = append(moving.Image, f), append(moving.Delay, 3+n), append(moving.Disposal, byte(n%4))
	}
	all["moving.gif"] = testpicture.EncodeGIF(moving)
	all["one-pixel.png"] = testpicture.EncodePNG(image.NewNRGBA(image.Rect(0, 0, 1, 1)))
	all["one-pixel.jpg"] = testpicture.JPEG(testpicture.Camera(1, 1, 1), testpicture.JPEGOptions{})
	all["thin.jpg"] = testpicture.JPEG(testpicture.Camera(900, 3, 1), testpicture.JPEGOptions{})
	return all
}

// goRelease is the Go release without its patch number. PNG and GIF are written
// by the standard library, whose bytes may change between releases.
func goRelease() string {
	parts := strings.SplitN(runtime.Version(), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func digestOf(t *testing.T, thumb thumbnail.Thumbnail) string {
	t.Helper()
	sum := sha256.Sum256(thumb.Data)
	if thumb.Ext == "jpg" {
		return fmt.Sprintf("%s %dx%d %x -", thumb.Ext, thumb.Width, thumb.Height, sum)
	}
	pixels := sha256.New()
	add := func(img image.Image) {
		b := img.Bounds()
		for i := range b.Dx() * b.Dy() {
			c := color.NRGBAModel.Convert(img.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx())).(color.NRGBA)
			pixels.Write([]byte{c.R, c.G, c.B, c.A})
		}
	}
	if thumb.Ext == "gif" {
		g, err := gif.DecodeAll(bytes.NewReader(thumb.Data))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(pixels, g.Delay, g.Disposal, g.LoopCount)
		for _, f := range g.Image {
			add(f)
		}
	} else {
		img, _, err := image.Decode(bytes.NewReader(thumb.Data))
		if err != nil {
			t.Fatal(err)
		}
		add(img)
	}
	return fmt.Sprintf("%s %dx%d %x %x", thumb.Ext, thumb.Width, thumb.Height, sum, pixels.Sum(nil))
}

// Thumbnails of the sizes of commit c49c48e are equal to that commit's, byte for
// byte. After an intended change, -update-digests rewrites the digests.
func TestThumbnailBytesAreThoseOfCommitC49c48e(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skipf("the digests are of amd64: %s may fuse multiplications with additions and round otherwise", runtime.GOARCH)
	}
	var got []string
	pictures := digestPictures(t)
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		for _, form := range digestForms {
			o := form.options
			var err error
			if o.Sizes, err = thumbnail.ParseSizes(form.sizes); err != nil {
				t.Fatal(err)
			}
			res, err := thumbnail.Make(t.Context(), bytes.NewReader(pictures[name]), o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, thumb := range res.Thumbnails {
				got = append(got, fmt.Sprintf("%s %s %s %s", name, form.name, thumb.Size.Name(), digestOf(t, thumb)))
			}
		}
	}
	if *updateDigests {
		if err := os.WriteFile(digestFile, []byte(goRelease()+"\n"+strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(digestFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(data)), "\n")
	release, want := want[0], want[1:]
	if len(got) != len(want) {
		t.Fatalf("got %d thumbnails, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := strings.Fields(got[i]), strings.Fields(want[i])
		if release != goRelease() && w[3] != "jpg" {
			g[5], w[5] = "", ""
		}
		if !slices.Equal(g, w) {
			t.Errorf("got\n%s, want\n%s", got[i], want[i])
		}
	}
}
