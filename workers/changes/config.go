package changes

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// Config has the worker's settings. Each field is an environment variable.
type Config struct {
	JobsQueueURL          string `env:"JOBS_QUEUE_URL,required,notEmpty"`
	NotificationsQueueURL string `env:"NOTIFICATIONS_QUEUE_URL,required,notEmpty"`

	// Rules are notification rules as a JSON array. Empty means DefaultRules.
	Rules string `env:"NOTIFICATION_RULES" lines:"true"`
	// NotifyTo is the mail address that the default rules notify of pictures.
	NotifyTo string `env:"NOTIFY_TO"`
	// NotifyMaxAge is the age from which changes are not notified. 0 means no
	// limit.
	NotifyMaxAge time.Duration `env:"NOTIFY_MAX_AGE" envDefault:"0s"`

	// DeadLetterQueueURL receives changes that fail permanently. If it is empty,
	// they fail, and the event source mapping sends them to its on-failure
	// destination.
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`           // for dead letters over 200 KB
	Parallel           int           `env:"PARALLEL" envDefault:"1"` // above 1, changes are in order by item only
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"` // kept for the response
}

// Validate returns every problem of the settings.
func (c Config) Validate() error {
	_, err := c.check()
	return err
}

// check is Validate and returns the rules: parsing them takes longer than the
// rest of the worker's own part of a cold start.
func (c Config) check() (*notify.Rules, error) {
	var p setup.Problems
	rules, err := c.rules()
	p.Add("NOTIFICATION_RULES", err)
	if err == nil {
		for _, name := range rules.Records() {
			if !slices.Contains(schema.Records, name) {
				p.Addf("NOTIFICATION_RULES", "got unknown record %q, want one of %q", name, schema.Records)
			}
		}
	}
	if c.NotifyTo != "" {
		_, err := notify.ParseAddress(c.NotifyTo)
		p.Add("NOTIFY_TO", err)
	}
	setup.Between(&p, "PARALLEL", c.Parallel, 1, 1000)
	p.Positive("RESERVE", c.Reserve)
	if c.NotifyMaxAge < 0 {
		p.Addf("NOTIFY_MAX_AGE", "got %v, want 0s for no limit, or a duration such as 24h", c.NotifyMaxAge)
	}
	return rules, p.Err()
}

func (c Config) rules() (*notify.Rules, error) {
	if c.Rules == "" {
		return notify.NewRules(DefaultRules(c.NotifyTo))
	}
	return notify.ParseRules([]byte(c.Rules))
}

// New reads the settings from environ and builds the worker with its clients.
func New(ctx context.Context, environ map[string]string) (*Worker, error) {
	c, err := setup.Read[checked](environ)
	if err != nil {
		return nil, err
	}
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return nil, err
	}
	clients := Clients{SQS: sqs.NewFromConfig(cfg)}
	if c.DeadLetterBucket != "" {
		clients.DeadLetters = s3.NewFromConfig(cfg)
	}
	return build(c.Config, c.rules, clients, setup.Logger("changes")), nil
}

// checked is a Config that keeps the rules which its Validate parses.
type checked struct {
	Config
	rules *notify.Rules
}

func (c *checked) Validate() (err error) {
	c.rules, err = c.check()
	return err
}

// Clients are the backends of a worker.
type Clients struct {
	SQS         sqsqueue.Client
	DeadLetters sqsqueue.DeadLetterStore // may be nil without Config.DeadLetterBucket
}
