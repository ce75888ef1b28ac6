package messages

import (
	"context"
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

// Config has the worker's settings. Each field is an environment variable.
type Config struct {
	RecordsTable string `env:"RECORDS_TABLE,required,notEmpty"`
	StateTable   string `env:"STATE_TABLE,required,notEmpty"`

	// OrderEndpoint is the URL that an order is posted to, which is the order's
	// step. If it is empty, an order has no step.
	OrderEndpoint setup.Secret `env:"ORDER_ENDPOINT"`

	// SMTPAddr is the mail server of the channel "email", as host:port.
	SMTPAddr     string       `env:"SMTP_ADDR"`
	SMTPFrom     string       `env:"SMTP_FROM"`
	SMTPUser     string       `env:"SMTP_USER"`
	SMTPPassword setup.Secret `env:"SMTP_PASSWORD"`
	SMTPSecurity string       `env:"SMTP_SECURITY" envDefault:"starttls"` // starttls, tls, or none for a loopback address
	// SESFrom is the sender of the channel "email" if SES sends the mails. It
	// excludes SMTPAddr.
	SESFrom string `env:"SES_FROM"`
	// SESRate limits the mails per second of this process. 0 means no limit.
	SESRate float64 `env:"SES_RATE" envDefault:"0"`
	// SNSTopicARN, WebhookURL and ChatURL are the channels "sns", "webhook" and
	// "chat". A channel without its setting does not exist.
	SNSTopicARN   string       `env:"SNS_TOPIC_ARN"`
	WebhookURL    setup.Secret `env:"WEBHOOK_URL"`
	WebhookSecret setup.Secret `env:"WEBHOOK_SECRET"`
	ChatURL       setup.Secret `env:"CHAT_URL"`
	// OutboxDir is the folder of the channel "email" without a mail server.
	OutboxDir string `env:"OUTBOX_DIR"`
	// NotifyMaxAge is the age from which notifications are not sent. 0 means no
	// limit.
	NotifyMaxAge time.Duration `env:"NOTIFY_MAX_AGE" envDefault:"0s"`

	SourceQueueURL     string        `env:"SOURCE_QUEUE_URL"` // of the messages; empty: failures wait for their visibility timeout
	DeadLetterQueueURL string        `env:"DEAD_LETTER_QUEUE_URL,required,notEmpty"`
	DeadLetterBucket   string        `env:"LETTER_BUCKET"`               // for dead letters over 200 KB
	MaxAttempts        int           `env:"MAX_ATTEMPTS" envDefault:"8"` // below the queue's maxReceiveCount
	Parallel           int           `env:"PARALLEL" envDefault:"10"`    // records in progress at once
	Reserve            time.Duration `env:"RESERVE" envDefault:"2s"`     // kept for the response
}

// smtpSecurity has the values of SMTP_SECURITY.
var smtpSecurity = map[string]notify.SMTPSecurity{
	"starttls": notify.STARTTLS, "tls": notify.ImplicitTLS, "none": notify.PlainLoopback,
}

// Validate returns every problem of the settings.
func (c Config) Validate() error {
	var p setup.Problems
	if _, ok := smtpSecurity[c.SMTPSecurity]; !ok {
		p.Addf("SMTP_SECURITY", "got %q, want starttls, tls or none", c.SMTPSecurity)
	}
	// Building the channels validates their settings. The outbox is left out, for
	// it would create its folder.
	dry := c
	dry.OutboxDir = ""
	if _, err := dry.channels(Clients{}); err != nil {
		p = append(p, err)
	}
	if c.SESFrom != "" {
		if c.SMTPAddr != "" {
			p.Addf("SES_FROM", "set together with SMTP_ADDR, but the channel email has one sender: unset one of them")
		}
		_, err := notify.ParseAddress(c.SESFrom)
		p.Add("SES_FROM", err)
	}
	setup.Between(&p, "SES_RATE", c.SESRate, 0, 10_000)
	if c.SNSTopicARN != "" {
		_, err := snsnotify.TopicRegion(c.SNSTopicARN)
		p.Add("SNS_TOPIC_ARN", err)
	}
	if c.OrderEndpoint != "" {
		if u, err := url.Parse(string(c.OrderEndpoint)); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			// The value may hold a key.
			p.Addf("ORDER_ENDPOINT", "not a URL that starts with https:// or http://")
		}
	}
	setup.Between(&p, "MAX_ATTEMPTS", c.MaxAttempts, 1, 1000)
	setup.Between(&p, "PARALLEL", c.Parallel, 1, 1000)
	p.Positive("RESERVE", c.Reserve)
	if c.NotifyMaxAge < 0 {
		p.Addf("NOTIFY_MAX_AGE", "got %v, want 0s for no limit, or a duration such as 24h", c.NotifyMaxAge)
	}
	return p.Err()
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
	Records     pipeline.Table // has a change stream
	State       pipeline.Table // has none
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
