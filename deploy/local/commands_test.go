package main

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local/stack/stacktest"
)

// runCommand runs the command in this process, over loopback.
func runCommand(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs lockedBuffer
	err = run(t.Context(), args, map[string]string{}, &out, &errs)
	return out.String(), errs.String(), err
}

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tree returns the content of every file below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Pictures that tests upload.
const (
	goodPictures = "../../testdata/images"
	badPictures  = "../../testdata/images/bad"
)

// TestPicturesPassTheWholePath: every picture becomes ready, with a thumbnail and
// a notification, and a second run changes nothing.
func TestPicturesPassTheWholePath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, stderr, err := runCommand(t, "-v", "-wait", "30s", "-data", dir, goodPictures)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	pictures, _, err := findPictures([]string{goodPictures})
	if err != nil || len(pictures) < 20 {
		t.Fatalf("pictures: got %d, %v", len(pictures), err)
	}
	if n := strings.Count(stdout, " ready "); n != len(pictures) {
		t.Errorf("ready: got %d, want %d\n%s", n, len(pictures), stdout)
	}
	if ids := stacktest.SentIDs(t, dir); len(ids) != len(pictures) {
		t.Errorf("notifications: got %d, want one for each of %d pictures", len(ids), len(pictures))
	}
	thumbs, ids := tree(t, filepath.Join(dir, "thumbnails")), stacktest.SentIDs(t, dir)
	if len(thumbs) != len(pictures) {
		t.Errorf("thumbnails on disk: got %d, want %d", len(thumbs), len(pictures))
	}

	// Again: the same bytes, and no notification.
	if stdout, stderr, err := runCommand(t, "-v", "-wait", "30s", "-data", dir, goodPictures); err != nil {
		t.Fatalf("again: %v\n%s\n%s", err, stdout, stderr)
	}
	if !maps.Equal(tree(t, filepath.Join(dir, "thumbnails")), thumbs) {
		t.Error("again: other thumbnails")
	}
	if got := stacktest.SentIDs(t, dir); !slices.Equal(got, ids) {
		t.Errorf("again: notifications %v, want still %v", got, ids)
	}
}

func TestThumbnailsAreUpright(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"1-upright", "2-mirrored", "3-upside-down", "4-mirrored-upside-down", "5-mirrored-turned-left", "6-turned-left", "7-mirrored-turned-right", "8-turned-right"} {
		paths = append(paths, filepath.Join(goodPictures, "orientation-"+name+".jpg"))
	}
	if _, stderr, err := runCommand(t, append([]string{"-data", dir}, paths...)...); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var upright image.Image
	for i, path := range paths {
		f, err := os.Open(filepath.Join(dir, "thumbnails", "200x200", filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			upright = img
			continue
		}
		if img.Bounds() != upright.Bounds() {
			t.Errorf("%s: %v, want %v", path, img.Bounds(), upright.Bounds())
			continue
		}
		if d := meanDifference(img, upright); d > 4 {
			t.Errorf("%s: differs from the upright picture by %.1f grey levels a pixel, want at most 4", path, d)
		}
	}
}

// meanDifference is the mean over all pixels and channels, in 8-bit levels.
func meanDifference(a, b image.Image) float64 {
	sum, n := 0.0, 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb)} {
				sum += math.Abs(d) / 257
				n++
			}
		}
	}
	return sum / float64(n)
}

func TestBadPicturesAreRejectedWithAReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, _, err := runCommand(t, "-data", dir, badPictures)
	if !errors.Is(err, errItemsFailed) {
		t.Errorf("error: got %v, want errItemsFailed, which is exit status 1", err)
	}
	for name, reason := range map[string]string{
		"bomb-header.png": "rejected: 60000x60000 PNG has 3600000000 pixels, the limit is 1073741824 (MAX_PIXELS)",
		"not-a-picture":   "rejected: not a picture",
		"truncated.jpg":   "rejected: JPEG data ends early",
		"zero-bytes.png":  "rejected: the file is empty",
	} {
		found := false
		for line := range strings.Lines(stdout) {
			found = found || strings.Contains(line, name) && strings.Contains(line, reason)
		}
		if !found {
			t.Errorf("%s: no line with %q in\n%s", name, reason, stdout)
		}
	}
	if ids := stacktest.SentIDs(t, dir); len(ids) != 4 {
		t.Errorf("notifications: got %v, want one for each of 4 pictures", ids)
	}
}

func TestSendAndSetStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		fail bool
		want []string // prefixes of the lines, in order
	}{
		{
			[]string{"send", "user-registration", `{"email":"ada@example.com","name":"Ada"}`},
			false,
			[]string{"queued  user-registration", "done    attempt 1", "record  user#ada@example.com: (none) -> pending", "record  user#ada@example.com: pending -> active", `notify  email to ada@example.com: "Welcome", sent`},
		},
		{
			[]string{"send", "order-processing", `{"email":"ada@example.com","id":"7"}`},
			false,
			[]string{"queued", "done", "record  user#ada@example.com/order#7: (none) -> received", "record  user#ada@example.com/order#7: received -> processing", "record  user#ada@example.com/order#7: processing -> completed", `notify  email to ada@example.com: "Order 7 is complete", sent`},
		},
		{
			[]string{"set-status", "user#ada@example.com/order#7", "cancelled"},
			false,
			[]string{"record  user#ada@example.com/order#7: completed -> cancelled", `notify  email to ada@example.com: "Order 7 is cancelled", sent`},
		},
		{
			[]string{"set-status", "user#ada@example.com/order#7", "received"},
			false,
			[]string{"record  user#ada@example.com/order#7: cancelled -> received", "record  user#ada@example.com/order#7: received -> processing", "record  user#ada@example.com/order#7: processing -> completed", `notify  email to ada@example.com: "Order 7 is complete", sent`},
		},
		{[]string{"set-status", "user#ada@example.com", "active"}, false, []string{"record  user#ada@example.com is active already"}},
		{[]string{"set-status", "user#nobody@example.com", "active"}, true, nil},
		{
			[]string{"send", "make-coffee", `{}`},
			true,
			[]string{"queued", "failed  attempt 1: unknown message type", "failed  dead letter in jobs-dead after 1 attempt(s): unknown message type"},
		},
		{[]string{"send", "make-coffee", `{`}, true, nil},
		{[]string{"send", "email-notification", `{"to":"ada@example.com","subject":"s","body":"b"}`}, false, []string{"queued", "done    attempt 1"}},
	} {
		stdout, stderr, err := runCommand(t, append([]string{"-data", dir}, tt.args...)...)
		if (err != nil) != tt.fail {
			t.Errorf("%v: got error %v, want one: %v\n%s", tt.args, err, tt.fail, stderr)
		}
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if stdout == "" {
			lines = nil
		}
		ok := len(lines) == len(tt.want)
		for i := range tt.want {
			ok = ok && strings.HasPrefix(lines[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%v: got\n%s\nwant lines that begin\n%s", tt.args, stdout, strings.Join(tt.want, "\n"))
		}
	}
}
