package uploads

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	_ "image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"sluice/pipeline"
	"sluice/thumbnail"
	"sluice/workers/schema"
)

func TestPictureCreated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a/b c.png", red)
	b.done(b.created("a/b c.png"))

	b.wantConverged("a/b c.png")
	if got, want := b.s3.names("thumbs"), []string{"thumbnails/4x4-fill/a/b c.png", "thumbnails/8x8/a/b c.png"}; !slices.Equal(got, want) {
		t.Errorf("thumbnails %q, want %q", got, want)
	}
	o, _ := b.s3.get("thumbs/thumbnails/8x8/a/b c.png")
	if o.contentType != "image/jpeg" || o.cacheControl != "max-age=60" || len(o.metadata) != 1 || o.metadata["source-etag"] != (object{data: red}).etag() {
		t.Errorf("content type %q, cache control %q, metadata %v", o.contentType, o.cacheControl, o.metadata)
	}

	b.wantTold("image-processed uploads/a/b c.png")
	m := b.sqs.messages[0]
	if m.Source != "sluice/uploads" || m.Time.Format("2006-01-02T15:04:05Z") != "2026-01-02T03:04:05Z" {
		t.Errorf("message %+v", m)
	}
	got := data[schema.ImageProcessed](t, m)
	if got.Bucket != "uploads" || got.Key != "a/b c.png" || got.ETag != (object{data: red}).etag() || got.Sequencer != "0000000000000001" {
		t.Errorf("source %+v", got.Source)
	}
	if got.Format != "PNG" || got.Width != 16 || got.Height != 12 || got.Bytes != int64(len(red)) {
		t.Errorf("picture %+v", got.Picture)
	}
	want := []schema.Thumbnail{
		{Size: "8x8", Bucket: "thumbs", Key: "thumbnails/8x8/a/b c.png", Width: 8, Height: 6, Bytes: len(o.data), ContentType: "image/jpeg"},
		{Size: "4x4:fill", Bucket: "thumbs", Key: "thumbnails/4x4-fill/a/b c.png", Width: 4, Height: 4, Bytes: got.Thumbnails[1].Bytes, ContentType: "image/jpeg"},
	}
	if !slices.Equal(got.Thumbnails, want) {
		t.Errorf("thumbnails\n%+v, want\n%+v", got.Thumbnails, want)
	}
}

func TestTransparentPictureKeepsItsType(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.jpg", picture(16, 16, color.NRGBA{200, 0, 0, 100}))
	b.done(b.created("a.jpg"))
	if o, _ := b.s3.get("thumbs/thumbnails/8x8/a.jpg"); o.contentType != "image/png" {
		t.Errorf("content type %q, want image/png whatever the key says", o.contentType)
	}
}

// meanwhile runs change before the nth call of that kind.
func (b *bench) meanwhile(call string, nth int, change func()) {
	seen := 0
	b.s3.before = func(c string) error {
		if c == call {
			if seen++; seen == nth {
				change()
			}
		}
		return nil
	}
}

const (
	get  = "GET uploads/a.png"
	head = "HEAD uploads/a.png"
)

func TestPictureOverwrittenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, call := range []string{get, "PUT thumbs/thumbnails/8x8/a.png", "PUT thumbs/thumbnails/4x4-fill/a.png", head} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.s3.put("uploads/a.png", red)
			n := b.created("a.png")
			b.meanwhile(call, 1, func() { b.s3.put("uploads/a.png", green) })
			b.done(n)
			b.wantConverged("a.png")
			b.wantTold("image-processed uploads/a.png")
			if got := data[schema.ImageProcessed](t, b.sqs.messages[0]); got.ETag != (object{data: green}).etag() {
				t.Error("the message tells of a version that is gone")
			}
			if gets := len(b.s3.called("GET")); gets != 1 && call == get || gets != 2 && call != get {
				t.Errorf("read %d times", gets)
			}
		})
	}
}

func TestPictureReplacedByWhatIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	n := b.created("a.png")
	b.meanwhile(head, 1, func() { b.s3.put("uploads/a.png", []byte("Dear colleague,")) })
	b.done(n)
	b.wantConverged("a.png")
	b.wantTold("image-rejected uploads/a.png")
}

func TestPictureDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, call := range []string{get, "PUT thumbs/thumbnails/8x8/a.png", head} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.s3.put("uploads/a.png", red)
			n := b.created("a.png")
			b.meanwhile(call, 1, func() { b.s3.remove("uploads/a.png") })
			b.done(n)
			b.wantConverged("a.png")
			b.wantTold() // the S3 event of the removal sends the message
			b.done(b.removed("a.png"))
			b.wantTold("image-removed uploads/a.png")
		})
	}
}

func TestPictureIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("thumbs/thumbnails/8x8/a.png", red) // of a version before
	b.done(b.created("a.png"))
	b.wantConverged("a.png")
	b.wantTold()
}

func TestPictureRemoved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	b.s3.put("uploads/b.png", red)
	b.done(b.created("a.png"))
	b.done(b.created("b.png"))
	b.s3.remove("uploads/a.png")
	b.done(b.removed("a.png"))
	b.wantConverged("a.png")
	b.wantConverged("b.png")
	b.wantTold("image-processed uploads/a.png", "image-processed uploads/b.png", "image-removed uploads/a.png")
	if got := data[schema.ImageRemoved](t, b.sqs.messages[2]); got.Key != "a.png" || got.Sequencer != "0000000000000003" {
		t.Errorf("got %+v", got)
	}
}

func TestPictureRemovedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	b.done(b.created("a.png"))
	b.done(b.removed("a.png")) // it stands
	if calls := b.s3.called("DELETE"); len(calls) != 0 {
		t.Errorf("deleted: %q", calls)
	}
	if calls := b.s3.called("GET"); len(calls) != 1 {
		t.Errorf("read %d times, want once: many a version goes where another stays", len(calls))
	}
	b.wantConverged("a.png")
	b.wantTold("image-processed uploads/a.png")
}

// TestVersionRemovedUncoversAnother: the version that stands then has no other
// S3 event, so its thumbnails are made and it is announced as the S3 event's.
func TestVersionRemovedUncoversAnother(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		now  []byte
		want string
	}{
		{"a picture", red, "image-processed uploads/a.png"},
		{"no picture", []byte("Dear colleague,"), "image-rejected uploads/a.png"},
		{"nothing", nil, "image-removed uploads/a.png"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.s3.put("uploads/a.png", green)
			b.done(b.created("a.png"))
			b.s3.remove("uploads/a.png")
			if tt.now != nil {
				b.s3.put("uploads/a.png", tt.now)
			}
			b.done(b.versionRemoved("a.png", "v2"))
			b.wantConverged("a.png")
			b.wantTold("image-processed uploads/a.png", tt.want)
			src := data[schema.Source](t, b.sqs.messages[1])
			if src.Sequencer != fmt.Sprintf("%016X", b.seq) || tt.now != nil && (src.VersionID != "" || src.ETag != object{data: tt.now}.etag()) {
				t.Errorf("told of %+v, want the removal's sequencer, and what stands now", src)
			}
		})
	}
}

// TestDeleteMarkerRemovedRestores: the object is back, and nobody created it.
func TestDeleteMarkerRemovedRestores(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	b.done(b.created("a.png"))
	b.s3.remove("uploads/a.png")
	b.done(b.marked("a.png", "marker"))
	b.wantConverged("a.png")
	b.s3.put("uploads/a.png", red)
	late := b.marked("a.png", "marker")
	b.done(b.versionRemoved("a.png", "marker"))
	b.wantConverged("a.png")
	told := []string{"image-processed uploads/a.png", "image-removed uploads/a.png", "image-processed uploads/a.png"}
	b.wantTold(told...)
	if b.sqs.messages[0].ID == b.sqs.messages[2].ID {
		t.Error("the restored picture has the id of the first message: it would be known already")
	}
	gets := len(b.s3.called("GET"))
	b.done(late) // the marker's S3 event, redelivered
	b.wantTold(told...)
	if got := len(b.s3.called("GET")); got != gets {
		t.Errorf("late S3 event of the marker: got %d reads of the object", got-gets)
	}
}

func TestPictureCreatedAgainWhileItsThumbnailsGo(t *testing.T) {
	t.Parallel()
	rows := []struct {
		call string
		nth  int
	}{{get, 1}, {"DELETE thumbs/thumbnails/8x8/a.png", 1}, {"DELETE thumbs/thumbnails/4x4-fill/a.png", 1}, {head, 2}}
	for _, r := range rows {
		t.Run(r.call, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			n := b.removed("a.png")
			b.meanwhile(r.call, r.nth, func() { b.s3.put("uploads/a.png", green) })
			b.done(n)
			b.wantConverged("a.png")
			b.wantTold() // the S3 event of the creation sends the message
		})
	}
}

// TestRemovalThatWroteAndFailed: the first delivery of a removal finds the object
// created again, writes thumbnails of a version that is no more, and fails before
// it looks. No other S3 event follows, so the second delivery must correct them.
func TestRemovalThatWroteAndFailed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	removed := b.removed("a.png")
	b.s3.before = func(call string) error {
		switch {
		case call == get && len(b.s3.called("GET")) == 1:
			b.s3.put("uploads/a.png", red)
		case strings.HasPrefix(call, "PUT"):
			b.s3.put("uploads/a.png", green) // and another worker has done with it
		case call == head && len(b.s3.called("PUT")) > 0:
			return refused(http.StatusServiceUnavailable, "SlowDown")
		}
		return nil
	}
	if ids := b.failures(sqsEvent(1, s3Event(removed))); !slices.Equal(ids, []string{"1"}) {
		t.Fatalf("failed %v", ids)
	}
	b.s3.before = nil
	if ids := b.failures(sqsEvent(2, s3Event(removed))); len(ids) != 0 {
		t.Fatalf("failed %v", ids)
	}
	b.wantConverged("a.png")
	b.wantTold()
}

func TestPictureKeepsChanging(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	n := b.created("a.png")
	versions := 0
	b.s3.before = func(call string) error {
		if call == head {
			versions++
			b.s3.put("uploads/a.png", [][]byte{red, green, blue}[versions%3])
		}
		return nil
	}
	b.fails("changed 5 times", n)
	if gets := len(b.s3.called("GET")); gets != 10 {
		t.Errorf("read %d times in two deliveries, want 10", gets)
	}
	b.wantTold()
	b.s3.before = nil
	b.done(n)
	b.wantConverged("a.png")
}

func TestPictureReadAgainAfterAnError(t *testing.T) {
	t.Parallel()
	rows := []struct {
		call string
		err  error
		want string
	}{
		{get, refused(http.StatusServiceUnavailable, "SlowDown"), "SlowDown"},
		{get, refused(http.StatusNotFound, "NoSuchBucket"), "NoSuchBucket"},
		{get, errors.New("connection refused"), "connection refused"},
		{head, refused(http.StatusInternalServerError, "InternalError"), "InternalError"},
		{"PUT thumbs/thumbnails/8x8/a.png", refused(http.StatusNotFound, "NoSuchBucket"), `write thumbnail "thumbs/thumbnails/8x8/a.png"`},
		{get, refused(http.StatusForbidden, "AccessDenied"), "s3:GetObject"},
		{get, refused(http.StatusForbidden, "AccessDenied"), "s3:ListBucket"},
		{head, refused(http.StatusForbidden, "Forbidden"), "s3:ListBucket"},
	}
	for _, r := range rows {
		t.Run(r.call+" "+r.want, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.s3.put("uploads/a.png", red)
			n := b.created("a.png")
			b.s3.before = func(call string) error {
				if call == r.call {
					return r.err
				}
				return nil
			}
			if err := b.fails(r.want, n); !errors.Is(err, r.err) {
				t.Errorf("%v does not wrap S3's error", err)
			}
			if calls := b.s3.called("DELETE"); len(calls) != 0 {
				t.Errorf("deleted: %q", calls)
			}
			b.wantTold()
			b.s3.before = nil
			b.done(n)
			b.wantConverged("a.png")
		})
	}
}

func TestRemovalThatFails(t *testing.T) {
	t.Parallel()
	for _, r := range []struct{ call, code string }{
		{head, "SlowDown"},
		{get, "NoSuchBucket"},
		{"DELETE thumbs/thumbnails/8x8/a.png", "SlowDown"},
		{"DELETE thumbs/thumbnails/4x4-fill/a.png", "NoSuchBucket"},
	} {
		t.Run(r.call, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.s3.put("uploads/a.png", red)
			b.done(b.created("a.png"))
			b.s3.remove("uploads/a.png")
			b.s3.before = func(call string) error {
				if call == r.call {
					return refused(map[string]int{"SlowDown": 503, "NoSuchBucket": 404}[r.code], r.code)
				}
				return nil
			}
			n := b.removed("a.png")
			b.fails(r.code, n)
			b.s3.before = nil
			b.done(n)
			b.wantConverged("a.png")
			b.wantTold("image-processed uploads/a.png", "image-removed uploads/a.png")
		})
	}
}

func TestRemovalTriesEverySize(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.before = func(call string) error {
		if strings.HasPrefix(call, "DELETE") {
			return refused(http.StatusServiceUnavailable, "SlowDown")
		}
		return nil
	}
	err := b.fails("8x8", b.removed("a.png"))
	if !strings.Contains(err.Error(), "4x4-fill") {
		t.Errorf("%v does not name both", err)
	}
}

// TestPictureCutByTheNetwork cuts every kind of picture at many places: a
// connection that ends there is tried again, a file that ends there is rejected.
func TestPictureCutByTheNetwork(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/images/*.*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	lost := errors.New("connection reset by peer")
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) == ".md" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			cuts := []int{0, 1, 11, 40, 60, len(whole) / 4, len(whole) / 3, len(whole) / 2, len(whole) * 2 / 3, len(whole) - 1}
			for i, cut := range cuts {
				for _, broken := range []error{lost, io.ErrUnexpectedEOF} {
					b := newBench(t)
					b.s3.put("uploads/a.png", whole)
					n := b.created("a.png")
					b.s3.body = func(_ string, r io.Reader) io.Reader {
						return io.MultiReader(io.LimitReader(r, int64(cut)), iotest.ErrReader(broken))
					}
					err := b.handle(t.Context(), pipeline.Record{ID: "1", Body: []byte(s3Event(n))})
					switch {
					case errors.Is(err, broken) && !pipeline.IsPermanent(err):
						b.wantTold()
					case err != nil || i < 5: // what is cut late may have been read far enough
						t.Errorf("cut at %d: got %v, want %v, to be retried", cut, err, broken)
					default:
						b.wantTold("image-processed uploads/a.png")
					}
					if calls := b.s3.called("DELETE"); len(calls) != 0 {
						t.Errorf("cut at %d: %q", cut, calls)
					}
				}
			}
			b := newBench(t)
			b.s3.put("uploads/a.png", whole[:60])
			b.s3.put("thumbs/thumbnails/8x8/a.png", red)
			b.done(b.created("a.png"))
			b.wantConverged("a.png")
			b.wantTold("image-rejected uploads/a.png")
		})
	}
}

func TestPictureRejected(t *testing.T) {
	t.Parallel()
	bad := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("../../testdata/images/bad", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	rows := []struct {
		name   string
		edit   func(*Config)
		data   []byte
		key    string
		reason string
	}{
		{"not a picture", nil, bad("not-a-picture.jpg"), "a.png", "not a picture"},
		{"truncated", nil, bad("truncated.jpg"), "a.png", "ends early"},
		{"zero bytes", nil, nil, "a.png", "empty"},
		{"pixels", nil, bad("bomb-header.png"), "a.png", "MAX_PIXELS"},
		{"pixels by setting", func(c *Config) { c.MaxPixels = 191 }, red, "a.png", "191 (MAX_PIXELS)"},
		{"bytes", func(c *Config) { c.MaxBytes = 50 }, red, "a.png", "50 (MAX_BYTES)"},
		{"memory", func(c *Config) { c.Sizes = "8192x8192" }, picture(8192, 1, color.White), "a.png", "(AWS_LAMBDA_FUNCTION_MEMORY_SIZE)"},
		{"the thumbnail's key", nil, red, strings.Repeat("k", 1005), "1025 bytes"}, // of the second thumbnail
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if r.edit != nil {
				b = newBench(t, r.edit)
			}
			for _, size := range b.options.Sizes { // of a version before
				b.s3.put("thumbs/"+b.template.key(size.Name(), "uploads", r.key), green)
			}
			b.s3.put("uploads/"+r.key, r.data)
			b.done(b.created(r.key))
			b.wantTold("image-rejected uploads/" + r.key)
			got := data[schema.ImageRejected](t, b.sqs.messages[0])
			if !strings.Contains(got.Reason, r.reason) || got.ETag != (object{data: r.data}).etag() || got.Validate() != nil {
				t.Errorf("got %+v, want a reason with %q", got, r.reason)
			}
			for _, name := range b.s3.names("thumbs") {
				if len(name) <= maxKeyBytes {
					t.Errorf("%.40s stands", name)
				}
			}
		})
	}
}

func TestLongestKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := strings.Repeat("長", 334) + "ab" // 1,004 bytes; of the second thumbnail's key 1,024
	b.s3.put("uploads/"+key, red)
	b.done(b.created(key))
	b.wantConverged(key)
	if got := len(b.s3.names("thumbs")); got != 2 {
		t.Errorf("%d thumbnails, want 2", got)
	}
	o, _ := b.s3.get("thumbs/" + b.s3.names("thumbs")[0])
	size := 0
	for name, value := range o.metadata {
		size += len(name) + len(value)
	}
	if size > 2048 {
		t.Errorf("%d bytes of metadata, S3 takes 2,048", size)
	}
}

func TestSameEventTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	first, second := b.created("a.png"), b.created("a.png")
	b.done(first)
	b.done(first)
	b.done(second)
	ids := map[string]int{}
	for _, m := range b.sqs.messages {
		ids[m.ID]++
	}
	if len(b.sqs.messages) != 3 || b.sqs.messages[0].ID != b.sqs.messages[1].ID || len(ids) != 2 {
		t.Errorf("ids: got %v, want one for the redelivered S3 event and another for the other", ids)
	}
}

// TestMemoryBoundsPicturesInHand holds two pictures back in the middle of their
// data. The budget is for one and a half.
func TestMemoryBoundsPicturesInHand(t *testing.T) {
	t.Parallel()
	large := picture(1200, 1200, color.White)
	sizes, err := thumbnail.ParseSizes("1200x1200")
	if err != nil {
		t.Fatal(err)
	}
	p, err := thumbnail.Open(bytes.NewReader(large), thumbnail.Options{Sizes: sizes})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) {
			c.Sizes = "1200x1200"
			c.MemoryMB = 64 + p.Cost()*2>>20
		})
		if budget := b.config.memoryBytes(); p.Cost() > budget || 2*p.Cost() <= budget {
			t.Fatalf("a picture costs %d, the budget is %d", p.Cost(), budget)
		}
		gates := []chan struct{}{make(chan struct{}), make(chan struct{})}
		inHand := map[string]bool{}
		b.s3.body = func(name string, r io.Reader) io.Reader {
			gate := gates[0]
			gates = gates[1:]
			return io.MultiReader(
				iotest.OneByteReader(io.LimitReader(r, 100)),
				readerFunc(func([]byte) (int, error) {
					inHand[name] = true
					<-gate
					return 0, io.EOF
				}), r)
		}
		open := slices.Clone(gates)
		// GETs come one after the other, so that the gates are handed out in order.
		var bodies []string
		for i := range 2 {
			key := fmt.Sprintf("%d.png", i)
			b.s3.put("uploads/"+key, large)
			bodies = append(bodies, s3Event(b.created(key)))
		}
		results := make(chan error, 2)
		for _, body := range bodies {
			go func() {
				_, err := b.Invoke(t.Context(), sqsEvent(1, body))
				results <- err
			}()
			synctest.Wait()
		}
		if got := len(b.s3.called("GET")); got != 2 || !inHand["uploads/0.png"] || inHand["uploads/1.png"] {
			t.Fatalf("%d pictures opened, in hand %v; want both opened, and the first in hand", got, inHand)
		}
		close(open[0])
		synctest.Wait()
		if !inHand["uploads/1.png"] || len(results) != 1 {
			t.Fatalf("in hand %v, %d done; want the second in hand after the first is done", inHand, len(results))
		}
		close(open[1])
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if got := len(b.s3.names("thumbs")); got != 2 {
			t.Errorf("%d thumbnails, want 2", got)
		}
		if !b.memory.TryAcquire(b.config.memoryBytes()) {
			t.Error("memory was not released")
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestMemoryIsReleasedAfterFailures covers a picture that breaks in the middle and
// one whose context ends while it waits.
func TestMemoryIsReleasedAfterFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s3.put("uploads/a.png", red)
	b.s3.body = func(_ string, r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, 60), iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	b.fails("unexpected EOF", b.created("a.png"))
	if !b.memory.TryAcquire(b.config.memoryBytes()) {
		t.Error("memory was not released")
	}
}

// TestAnimatedAndSmart sees the two settings reach the thumbnails.
func TestAnimatedAndSmart(t *testing.T) {
	t.Parallel()
	colours := color.Palette{color.Black, color.White, color.NRGBA{200, 0, 0, 255}}
	frame := image.NewPaletted(image.Rect(0, 0, 64, 16), colours)
	for i := range frame.Pix {
		if x := i % 64; x < 16 {
			frame.Pix[i] = uint8(x % 2) // something to see, on the left
		} else {
			frame.Pix[i] = 2
		}
	}
	var moving bytes.Buffer
	if err := gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{5, 5}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		frames      int
		smart       bool
		contentType string
	}{{0, false, "image/jpeg"}, {1, true, "image/jpeg"}, {2, false, "image/gif"}, {2, true, "image/gif"}} {
		b := newBench(t, func(c *Config) { c.Sizes, c.MaxFrames, c.SmartCrop = "16x16:fill", tt.frames, tt.smart })
		b.s3.put("uploads/a.gif", moving.Bytes())
		b.done(b.created("a.gif"))
		got, ok := b.s3.get("thumbs/thumbnails/16x16-fill/a.gif")
		if !ok || got.contentType != tt.contentType {
			t.Fatalf("%+v: got %q, %t", tt, got.contentType, ok)
		}
		img, _, err := image.Decode(bytes.NewReader(got.data))
		if err != nil {
			t.Fatal(err)
		}
		if r, g, _, _ := img.At(15, 8).RGBA(); (r>>8 > 150 && g>>8 < 90) == tt.smart {
			t.Errorf("%+v: the right side is %v", tt, img.At(15, 8))
		}
	}
}
