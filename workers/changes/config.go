package changes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/setup"
)

// Config is the worker's settings, one field an environment variable.
type Config struct {
	JobsQueueURL          string `env:"JOBS_QUEUE_URL,required,notEmpty"`
	NotificationsQueueURL string `env:"NOTIFICATIONS_QUEUE_URL,required,notEmpty"`

	// Rules are notification rules as a JSON list. Empty is DefaultRules.
	Rules string `env:"NOTIFICATION_RULES"`
	// NotifyTo is who is told of pictures: by the default rules.
	NotifyTo string `env:"NOTIFY_TO"`
	// NotifyMaxAge is the age at which a change is too old to tell anybody. 0 has
	// no limit.
	NotifyMaxAge time.Duration `env:"NOTIFY_MAX_AGE" envDefault:"0s"`

	// DeadLetterQueueURL takes changes that can never be handled. Without it
	// they fail, and the event source mapping's on-failure destination gets them.
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`
	Parallel           int           `env:"PARALLEL" envDefault:"1"` // above 1: in order by item
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"`
}

// Validate reports every setting that cannot be.
func (c Config) Validate() error {
	_, err := c.check()
	return err
}

// check is Validate, and keeps the rules: to parse them costs more than all the
// rest of a start that is the worker's own.
func (c Config) check() (*notify.Rules, error) {
	var problems []error
	rules, err := c.rules()
	if err != nil {
		problems = append(problems, fmt.Errorf("NOTIFICATION_RULES: %w", err))
	}
	if c.NotifyTo != "" {
		if _, err := notify.ParseAddress(c.NotifyTo); err != nil {
			problems = append(problems, fmt.Errorf("NOTIFY_TO: %w", err))
		}
	}
	if c.Parallel < 1 || c.Parallel > 1000 {
		problems = append(problems, fmt.Errorf("PARALLEL: %d is not between 1 and 1000", c.Parallel))
	}
	if c.Reserve <= 0 {
		problems = append(problems, fmt.Errorf("RESERVE: %v is not above zero", c.Reserve))
	}
	if c.NotifyMaxAge < 0 {
		problems = append(problems, fmt.Errorf("NOTIFY_MAX_AGE: %v is negative", c.NotifyMaxAge))
	}
	return rules, errors.Join(problems...)
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

// checked is a Config that keeps what its check has parsed.
type checked struct {
	Config
	rules *notify.Rules
}

// Validate is called by setup.Read.
func (c *checked) Validate() (err error) {
	c.rules, err = c.check()
	return err
}

// Clients are the worker's ways out.
type Clients struct {
	SQS         sqsqueue.Client
	DeadLetters sqsqueue.DeadLetterStore // may be nil without DeadLetterBucket
}
