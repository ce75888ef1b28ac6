package uploads

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline/sqsqueue"
	"sluice/thumbnail"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// Config has the worker's settings. Each field is an environment variable.
type Config struct {
	ThumbnailBucket string `env:"THUMBNAIL_BUCKET,required,notEmpty"`
	// Sizes are the thumbnails' sizes, separated by commas. See
	// thumbnail.ParseSizes.
	Sizes string `env:"THUMBNAIL_SIZES" envDefault:"200x200"`
	// KeyTemplate makes a thumbnail's key. It contains {size} and {key}, and may
	// contain {bucket}.
	KeyTemplate  string      `env:"THUMBNAIL_KEY" envDefault:"thumbnails/{size}/{key}"`
	Quality      int         `env:"THUMBNAIL_QUALITY"`    // of JPEGs, 1 to 100; 0 chooses by size, see package thumbnail
	MaxFrames    int         `env:"THUMBNAIL_MAX_FRAMES"` // of an animated thumbnail; 0 and 1 make still ones
	SmartCrop    bool        `env:"THUMBNAIL_SMART_CROP"` // crops to the most detailed part instead of the centre
	CacheControl string      `env:"THUMBNAIL_CACHE_CONTROL" envDefault:"public, max-age=3600"`
	MaxPixels    setup.Count `env:"MAX_PIXELS"` // of a picture; 0 limits by memory alone
	MaxBytes     setup.Bytes `env:"MAX_BYTES"`  // of an upload; 0 is the default of package thumbnail

	JobsQueueURL string `env:"JOBS_QUEUE_URL,required,notEmpty"`
	// NotificationsQueueURL receives the messages of InboxTypes that are
	// notifications. It is required if there are such types.
	NotificationsQueueURL string `env:"NOTIFICATIONS_QUEUE_URL"`

	// InboxPrefix is the prefix of files of messages. InboxTypes are the message
	// types that such a file may contain, separated by commas; none by default.
	InboxPrefix string   `env:"INBOX_PREFIX" envDefault:"inbox/"`
	InboxTypes  []string `env:"INBOX_TYPES"`

	SourceQueueURL     string        `env:"SOURCE_QUEUE_URL"` // of the S3 events; empty: failures wait for their visibility timeout
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL,required,notEmpty"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`               // for dead letters over 200 KB
	MaxAttempts        int           `env:"MAX_ATTEMPTS" envDefault:"8"` // below the queue's maxReceiveCount
	Parallel           int           `env:"PARALLEL" envDefault:"4"`     // records in progress at once
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"`     // kept for the response
	MemoryMB           int64         `env:"AWS_LAMBDA_FUNCTION_MEMORY_SIZE" envDefault:"1024"`
}

// Validate returns every problem of the settings.
func (c Config) Validate() error {
	var p setup.Problems
	_, err := thumbnail.ParseSizes(c.Sizes)
	p.Add("THUMBNAIL_SIZES", err)
	_, err = parseTemplate(c.KeyTemplate)
	p.Add("THUMBNAIL_KEY", err)
	setup.Between(&p, "THUMBNAIL_QUALITY", c.Quality, 0, 100)
	setup.Between(&p, "THUMBNAIL_MAX_FRAMES", c.MaxFrames, 0, 1000)
	setup.Between(&p, "MAX_PIXELS", int64(c.MaxPixels), 0, 1<<40)
	setup.Between(&p, "MAX_BYTES", c.MaxBytes, 0, 5<<40)
	setup.Between(&p, "MAX_ATTEMPTS", c.MaxAttempts, 1, 1000)
	setup.Between(&p, "PARALLEL", c.Parallel, 1, 1000)
	setup.Between(&p, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", c.MemoryMB, 128, 1<<20)
	p.Positive("RESERVE", c.Reserve)
	if c.InboxPrefix == "" || strings.HasPrefix(c.InboxPrefix, "/") || !strings.HasSuffix(c.InboxPrefix, "/") {
		p.Addf("INBOX_PREFIX", "got %q, want a prefix such as inbox/", c.InboxPrefix)
	}
	for _, typ := range c.InboxTypes {
		if typ = strings.TrimSpace(typ); schema.QueueOf(typ) == schema.QueueNotifications && c.NotificationsQueueURL == "" {
			p.Addf("NOTIFICATIONS_QUEUE_URL", "not set, but required because INBOX_TYPES contains %s", typ)
			break
		}
	}
	return p.Err()
}

// memoryBytes is the memory for decoding: seven tenths of the function's memory
// less 40 MiB for the rest of the worker. Go's memory limit is at eight tenths,
// see setup.LimitMemory, so that the garbage collector has room to work.
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
		// Objects without a checksum are usual, and the SDK's log line is not JSON.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return Build(c, Clients{S3: objects, SQS: sqs.NewFromConfig(cfg)}, setup.Logger("uploads"))
}

// Clients are the backends of a worker.
type Clients struct {
	S3  Objects
	SQS sqsqueue.Client
}
