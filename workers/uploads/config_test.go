package uploads

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/workers/setup"
)

// least is the smallest environment.
func least() map[string]string {
	return map[string]string{"THUMBNAIL_BUCKET": "thumbs", "JOBS_QUEUE_URL": "http://sqs.test/1/jobs", "DEAD_LETTER_QUEUE_URL": "http://sqs.test/1/dead"}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := setup.Read[Config](least())
	if err != nil {
		t.Fatal(err)
	}
	if c.Sizes != "200x200" || c.KeyTemplate != "thumbnails/{size}/{key}" || c.Quality != 0 || c.MaxFrames != 0 || c.SmartCrop || c.CacheControl != "public, max-age=3600" ||
		c.MaxPixels != 0 || c.MaxBytes != 0 || c.InboxPrefix != "inbox/" || len(c.InboxTypes) != 0 || c.MaxAttempts != setup.MaxAttempts ||
		c.Parallel != 4 || c.Reserve != 2*time.Second || c.MemoryMB != 1024 {
		t.Errorf("got %+v", c)
	}
	// 128 is Lambda's least.
	for mb, want := range map[int64]int64{1024: 676, 128: 49} {
		c.MemoryMB = mb
		if got := c.memoryBytes() >> 20; got != want {
			t.Errorf("of %d MB: got %d MB for pictures, want %d", mb, got, want)
		}
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"THUMBNAIL_BUCKET": "", "THUMBNAIL_SIZES": "0x0", "THUMBNAIL_KEY": "{name}", "THUMBNAIL_QUALITY": "101", "THUMBNAIL_MAX_FRAMES": "-1", "THUMBNAIL_SMART_CROP": "perhaps", "MAX_PIXELS": "-1",
		"MAX_BYTES": "many", "INBOX_PREFIX": "/inbox", "MAX_ATTEMPTS": "0", "PARALLEL": "1001", "RESERVE": "-1s", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "127",
	}
	_, err := setup.Read[Config](bad)
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range append(slices.Sorted(maps.Keys(bad)), "JOBS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL") {
		if n := strings.Count(err.Error(), name); n != 1 {
			t.Errorf("%s is named %d times in %q", name, n, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, value, want string }{
		{"THUMBNAIL_SIZES", "200", "THUMBNAIL_SIZES"},
		{"THUMBNAIL_SIZES", "8x8,8x8", "THUMBNAIL_SIZES"},
		{"THUMBNAIL_SIZES", "8x8, 16x16:fill", ""},
		{"THUMBNAIL_KEY", "{size}/{key}", ""},
		{"THUMBNAIL_QUALITY", "0", ""},
		{"THUMBNAIL_QUALITY", "-1", "THUMBNAIL_QUALITY: got -1, want 0 to 100"},
		{"THUMBNAIL_MAX_FRAMES", "1000", ""},
		{"THUMBNAIL_MAX_FRAMES", "1001", "THUMBNAIL_MAX_FRAMES: got 1001, want 0 to 1000"},
		{"THUMBNAIL_SMART_CROP", "true", ""},
		{"THUMBNAIL_SIZES", "200x200:fill:top, 200x200:pad, 200x200:pad:ffffff, 64x64:sharpen", ""},
		{"THUMBNAIL_SIZES", "200x200:crop", "want WxH, WxH:fill, WxH:fill:GRAVITY"},
		{"THUMBNAIL_SIZES", "200x200:pad:FFFFFF,200x200:pad:ffffff", `the key "200x200-pad-ffffff"`},
		{"THUMBNAIL_QUALITY", "1", ""},
		{"THUMBNAIL_QUALITY", "100", ""},
		{"MAX_BYTES", "0", ""},
		{"MAX_BYTES", "67108864", ""},
		{"MAX_BYTES", "64MiB", ""},
		{"MAX_BYTES", "64 megs", `MAX_BYTES: got "64 megs", want bytes such as 67108864 or 64MiB`},
		{"MAX_BYTES", "-1", "MAX_BYTES: got -1, want 0 to 5TiB"},
		{"MAX_BYTES", "6TiB", "MAX_BYTES: got 6TiB, want 0 to 5TiB"},
		{"PARALLEL", "0", "PARALLEL: got 0, want 1 to 1000"},
		{"PARALLEL", "1000", ""},
		{"MAX_ATTEMPTS", "1", ""},
		{"RESERVE", "0s", "RESERVE"},
		{"RESERVE", "100ms", ""},
		{"RESERVE", "2", `RESERVE: got "2", want a duration such as 500ms or 2s`},
		{"INBOX_PREFIX", "inbox", "INBOX_PREFIX"},
		{"INBOX_PREFIX", "a/b/", ""},
		{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128", ""},
		{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "10240", ""},
	}
	for _, r := range rows {
		environ := least()
		environ[r.name] = r.value
		_, err := setup.Read[Config](environ)
		if r.want == "" && err != nil || r.want != "" && (err == nil || !strings.Contains(err.Error(), r.want)) {
			t.Errorf("%s=%q: got %v, want %q", r.name, r.value, err, r.want)
		}
	}
}

func TestBuildRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	c := settings()
	c.Sizes, c.Parallel = "x", 0
	if _, err := Build(c, Clients{}, nil); err == nil || !strings.Contains(err.Error(), "THUMBNAIL_SIZES") || !strings.Contains(err.Error(), "PARALLEL") {
		t.Errorf("got %v", err)
	}
}

// TestNewMakesNoCalls builds the worker as Lambda does, with an endpoint that
// refuses connections.
func TestNewMakesNoCalls(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	if _, err := New(t.Context(), least()); err != nil {
		t.Error(err)
	}
	if _, err := New(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "THUMBNAIL_BUCKET") {
		t.Errorf("got %v", err)
	}
}

func TestConfigOfNotificationsInFiles(t *testing.T) {
	t.Parallel()
	environ := least()
	environ["INBOX_TYPES"] = "order-processing, email-notification"
	if _, err := setup.Read[Config](environ); err == nil || !strings.Contains(err.Error(), "NOTIFICATIONS_QUEUE_URL: not set, but required because INBOX_TYPES contains email-notification") {
		t.Errorf("got %v, want an error that names NOTIFICATIONS_QUEUE_URL", err)
	}
	environ["NOTIFICATIONS_QUEUE_URL"] = "http://sqs.test/1/notifications"
	if _, err := setup.Read[Config](environ); err != nil {
		t.Error(err)
	}
}
