package messages

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/notify/snsnotify"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/setup"
)

// Config is the worker's settings, one field an environment variable.
type Config struct {
	RecordsTable string `env:"RECORDS_TABLE,required,notEmpty"`
	StateTable   string `env:"STATE_TABLE,required,notEmpty"`

	// OrderEndpoint does the step of an order: it is posted there. Empty: an
	// order needs no step.
	OrderEndpoint string `env:"ORDER_ENDPOINT"`

	// The channel "email".
	SMTPAddr     string `env:"SMTP_ADDR"` // host:port; empty: no such channel
	SMTPFrom     string `env:"SMTP_FROM"`
	SMTPUser     string `env:"SMTP_USER"`
	SMTPPassword string `env:"SMTP_PASSWORD"`
	SMTPSecurity string `env:"SMTP_SECURITY" envDefault:"starttls"` // starttls, tls, or none to this machine
	// SESFrom is the sender of the channel "email" where SES sends the mails.
	SESFrom string `env:"SES_FROM"` // not with SMTP_ADDR
	// SESRate bounds the mails a second of this process. 0 has no limit.
	SESRate float64 `env:"SES_RATE" envDefault:"0"`
	// The channel "sns".
	SNSTopicARN string `env:"SNS_TOPIC_ARN"` // empty: no such channel
	// The channel "webhook".
	WebhookURL    string `env:"WEBHOOK_URL"` // empty: no such channel
	WebhookSecret string `env:"WEBHOOK_SECRET"`
	// The channel "chat".
	ChatURL string `env:"CHAT_URL"` // empty: no such channel
	// OutboxDir is a folder that the channel "email" writes to where there is no
	// mail server.
	OutboxDir string `env:"OUTBOX_DIR"`
	// NotifyMaxAge is the age at which a notification is too old to be sent. 0
	// has no limit.
	NotifyMaxAge time.Duration `env:"NOTIFY_MAX_AGE" envDefault:"0s"`

	SourceQueueURL     string        `env:"SOURCE_QUEUE_URL"` // of the messages; without it failures wait out their visibility
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL,required,notEmpty"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`               // for letters over 200 KB
	MaxAttempts        int           `env:"MAX_ATTEMPTS" envDefault:"8"` // below the queue's maxReceiveCount
	Parallel           int           `env:"PARALLEL" envDefault:"10"`    // records in hand at once
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"`     // kept for the answer
}

// smtpSecurity are the words of SMTP_SECURITY.
var smtpSecurity = map[string]notify.SMTPSecurity{
	"starttls": notify.STARTTLS, "tls": notify.ImplicitTLS, "none": notify.PlainLoopback,
}

// Validate reports every setting that cannot be.
func (c Config) Validate() error {
	var problems []error
	if _, ok := smtpSecurity[c.SMTPSecurity]; !ok {
		problems = append(problems, fmt.Errorf("SMTP_SECURITY: %q is not starttls, tls or none", c.SMTPSecurity))
	}
	// Building the channels validates their settings. The outbox is left out, for
	// it would create its folder.
	dry := c
	dry.OutboxDir = ""
	if _, err := dry.channels(Clients{}); err != nil {
		problems = append(problems, err)
	}
	if c.SMTPAddr != "" && c.SESFrom != "" {
		problems = append(problems, errors.New("SES_FROM: excludes SMTP_ADDR: both are the channel email"))
	}
	if c.SESFrom != "" {
		if _, err := notify.ParseAddress(c.SESFrom); err != nil {
			problems = append(problems, fmt.Errorf("SES_FROM: %w", err))
		}
	}
	if !(c.SESRate >= 0 && c.SESRate <= 10_000) {
		problems = append(problems, fmt.Errorf("SES_RATE: %v is not between 0 and 10000", c.SESRate))
	}
	if c.SNSTopicARN != "" {
		if _, err := snsnotify.TopicRegion(c.SNSTopicARN); err != nil {
			problems = append(problems, fmt.Errorf("SNS_TOPIC_ARN: %w", err))
		}
	}
	if c.OrderEndpoint != "" {
		if u, err := url.Parse(c.OrderEndpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			problems = append(problems, errors.New("ORDER_ENDPOINT: is no http or https URL"))
		}
	}
	for _, v := range []struct {
		name string
		n    int
	}{{"MAX_ATTEMPTS", c.MaxAttempts}, {"PARALLEL", c.Parallel}} {
		if v.n < 1 || v.n > 1000 {
			problems = append(problems, fmt.Errorf("%s: %d is not between 1 and 1000", v.name, v.n))
		}
	}
	if c.Reserve <= 0 {
		problems = append(problems, fmt.Errorf("RESERVE: %v is not above zero", c.Reserve))
	}
	if c.NotifyMaxAge < 0 {
		problems = append(problems, fmt.Errorf("NOTIFY_MAX_AGE: %v is negative", c.NotifyMaxAge))
	}
	return errors.Join(problems...)
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
	db := dynamodb.NewFromConfig(cfg)
	clients := Clients{
		Records: dynamotable.New(db, c.RecordsTable, dynamotable.Options{}),
		State:   dynamotable.New(db, c.StateTable, dynamotable.Options{}),
		SQS:     sqs.NewFromConfig(cfg),
		AWS:     &cfg,
	}
	if c.DeadLetterBucket != "" {
		clients.DeadLetters = s3.NewFromConfig(cfg)
	}
	return build(c, clients, setup.Logger("messages"))
}

// Clients are the backends of a worker.
type Clients struct {
	Records     pipeline.Table // what people care about; streamed
	State       pipeline.Table // what machines need; not streamed
	SQS         sqsqueue.Client
	DeadLetters sqsqueue.DeadLetterStore // may be nil without Config.DeadLetterBucket

	// AWS configures the clients of SES and SNS. Nil leaves out the channels that
	// need them.
	AWS *aws.Config
	// Outbox is the channel "email" where the settings name no other. Nil leaves
	// it out.
	Outbox notify.Channel

	// Channels and Step replace what the settings name. Nil keeps it.
	Channels notify.Channel
	Step     Step

	// ProcessID is that of pipeline.Once. It is empty where other processes share
	// State.
	ProcessID string
}
