package uploads

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline/sqsqueue"
	"sluice/thumbnail"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// Config is the worker's settings, one field an environment variable.
type Config struct {
	ThumbnailBucket string `env:"THUMBNAIL_BUCKET,required,notEmpty"`
	// Sizes are WxH to fit into, or WxH:fill, commas between.
	Sizes string `env:"THUMBNAIL_SIZES" envDefault:"200x200"`
	// KeyTemplate makes a thumbnail's key. {size} and {key} must be in it,
	// {bucket} may be.
	KeyTemplate  string `env:"THUMBNAIL_KEY" envDefault:"thumbnails/{size}/{key}"`
	Quality      int    `env:"THUMBNAIL_QUALITY"`    // of JPEGs, 1 to 100; 0 is by their size, see thumbnail
	MaxFrames    int    `env:"THUMBNAIL_MAX_FRAMES"` // of an animated thumbnail; 0 and 1 make stills
	SmartCrop    bool   `env:"THUMBNAIL_SMART_CROP"` // filled boxes show what is interesting, not the centre
	CacheControl string `env:"THUMBNAIL_CACHE_CONTROL" envDefault:"public, max-age=3600"`
	MaxPixels    int64  `env:"MAX_PIXELS"` // of a picture; 0 leaves it to the memory
	MaxBytes     int64  `env:"MAX_BYTES"`  // of an upload; 0 is thumbnail's own limit

	JobsQueueURL string `env:"JOBS_QUEUE_URL,required,notEmpty"`
	// NotificationsQueueURL takes what of InboxTypes is a notification.
	NotificationsQueueURL string `env:"NOTIFICATIONS_QUEUE_URL"`

	// InboxPrefix is where files of messages are uploaded. InboxTypes are the
	// types that such a file may hold, commas between; none by default.
	InboxPrefix string   `env:"INBOX_PREFIX" envDefault:"inbox/"`
	InboxTypes  []string `env:"INBOX_TYPES"`

	SourceQueueURL     string        `env:"SOURCE_QUEUE_URL"` // of the notices; without it failures wait out their visibility
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL,required,notEmpty"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`               // for letters over 200 KB
	MaxAttempts        int           `env:"MAX_ATTEMPTS" envDefault:"8"` // below the queue's maxReceiveCount
	Parallel           int           `env:"PARALLEL" envDefault:"4"`     // records in hand at once
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"`     // kept for the answer
	MemoryMB           int64         `env:"AWS_LAMBDA_FUNCTION_MEMORY_SIZE" envDefault:"1024"`
}

// Validate reports every setting that cannot be.
func (c Config) Validate() error {
	var problems []error
	if _, err := thumbnail.ParseSizes(c.Sizes); err != nil {
		problems = append(problems, fmt.Errorf("THUMBNAIL_SIZES: %w", err))
	}
	if _, err := parseTemplate(c.KeyTemplate); err != nil {
		problems = append(problems, fmt.Errorf("THUMBNAIL_KEY: %w", err))
	}
	for _, v := range []struct {
		name     string
		n        int64
		min, max int64
	}{
		{"THUMBNAIL_QUALITY", int64(c.Quality), 0, 100},
		{"THUMBNAIL_MAX_FRAMES", int64(c.MaxFrames), 0, 1000},
		{"MAX_PIXELS", c.MaxPixels, 0, 1 << 40},
		{"MAX_BYTES", c.MaxBytes, 0, 5 << 40},
		{"MAX_ATTEMPTS", int64(c.MaxAttempts), 1, 1000},
		{"PARALLEL", int64(c.Parallel), 1, 1000},
		{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", c.MemoryMB, 128, 1 << 20},
	} {
		if v.n < v.min || v.n > v.max {
			problems = append(problems, fmt.Errorf("%s: %d is not between %d and %d", v.name, v.n, v.min, v.max))
		}
	}
	if c.Reserve <= 0 {
		problems = append(problems, fmt.Errorf("RESERVE: %v is not above zero", c.Reserve))
	}
	if c.InboxPrefix == "" || strings.HasPrefix(c.InboxPrefix, "/") || !strings.HasSuffix(c.InboxPrefix, "/") {
		problems = append(problems, fmt.Errorf("INBOX_PREFIX: %q is not like inbox/", c.InboxPrefix))
	}
	for _, typ := range c.InboxTypes {
		if typ = strings.TrimSpace(typ); schema.QueueOf(typ) == schema.QueueNotifications && c.NotificationsQueueURL == "" {
			problems = append(problems, fmt.Errorf("NOTIFICATIONS_QUEUE_URL: is missing, and INBOX_TYPES has %s", typ))
			break
		}
	}
	return errors.Join(problems...)
}

// memoryBytes is what decoding may use: seven tenths of the function's memory
// less what the worker needs besides. The collector's limit is at eight tenths,
// see setup.LimitMemory: it must have something to collect.
func (c Config) memoryBytes() int64 {
	const process = 40 << 20
	return c.MemoryMB<<20/10*7 - process
}

// New reads the settings from environ and builds the worker with its clients.
func New(ctx context.Context, environ map[string]string) (*Worker, error) {
	c, err := setup.Read[Config](environ)
	if err != nil {
		return nil, err
	}
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return nil, err
	}
	objects := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// An object without a checksum is no news, and the SDK's line no JSON.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return Build(c, Clients{S3: objects, SQS: sqs.NewFromConfig(cfg)}, setup.Logger("uploads"))
}

// Clients are the worker's ways out.
type Clients struct {
	S3  Objects
	SQS sqsqueue.Client
}
