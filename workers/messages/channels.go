package messages

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sluice/notify"
	"sluice/notify/sesnotify"
	"sluice/notify/snsnotify"
)

// channels builds the channels that the settings name. Of clients it uses AWS
// and Outbox.
func (c Config) channels(clients Clients) (notify.Channels, error) {
	built := notify.Channels{}
	var problems []error
	add := func(name, variables string, ch notify.Channel, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", variables, err))
			return
		}
		built[name] = ch
	}
	switch {
	case c.SMTPAddr != "":
		ch, err := notify.NewSMTP(notify.SMTPOptions{
			Addr: c.SMTPAddr, From: c.SMTPFrom, Username: c.SMTPUser, Password: string(c.SMTPPassword), Security: smtpSecurity[c.SMTPSecurity],
		})
		add("email", "SMTP_ADDR, SMTP_FROM, SMTP_USER, SMTP_PASSWORD", ch, err)
	case c.SESFrom != "" && clients.AWS != nil:
		ch, err := sesnotify.New(sesv2.NewFromConfig(*clients.AWS), c.SESFrom, c.SESRate)
		add("email", "SES_FROM, SES_RATE", ch, err)
	case c.OutboxDir != "":
		ch, err := notify.OpenOutbox(c.OutboxDir)
		add("email", "OUTBOX_DIR", ch, err)
	case clients.Outbox != nil:
		built["email"] = clients.Outbox
	}
	if c.SNSTopicARN != "" && clients.AWS != nil {
		ch, err := c.snsChannel(*clients.AWS)
		add("sns", "SNS_TOPIC_ARN", ch, err)
	}
	if c.WebhookURL != "" {
		secrets, err := notify.ParseSecrets(string(c.WebhookSecret))
		if err != nil {
			problems = append(problems, fmt.Errorf("WEBHOOK_SECRET: %w", err))
		}
		ch, err := notify.NewWebhook(notify.WebhookOptions{URL: string(c.WebhookURL), Secrets: secrets})
		add("webhook", "WEBHOOK_URL", ch, err)
	}
	if c.ChatURL != "" {
		ch, err := notify.NewChat(notify.ChatOptions{URL: string(c.ChatURL)})
		add("chat", "CHAT_URL", ch, err)
	}
	return built, errors.Join(problems...)
}

// snsChannel is the channel of SNS_TOPIC_ARN. Its client is that of the topic's
// region.
func (c Config) snsChannel(cfg aws.Config) (notify.Channel, error) {
	region, err := snsnotify.TopicRegion(c.SNSTopicARN)
	if err != nil {
		return nil, err
	}
	client := sns.NewFromConfig(cfg, func(o *sns.Options) { o.Region = region })
	return snsnotify.New(client, c.SNSTopicARN)
}
