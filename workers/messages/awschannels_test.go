package messages_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sluice/notify"
	"sluice/workers/messages"
	"sluice/workers/setup"
)

func awsSettings(more map[string]string) map[string]string {
	s := map[string]string{"RECORDS_TABLE": "records", "STATE_TABLE": "state", "DEAD_LETTER_QUEUE_URL": "https://queue.example.com/dead"}
	maps.Copy(s, more)
	return s
}

func TestAddAWSChannels(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings map[string]string
		want     []string // name=what it is
	}{
		"none":        {nil, nil},
		"SES":         {map[string]string{"SES_FROM": "news@example.com"}, []string{"email=ses"}},
		"SNS":         {map[string]string{"SNS_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:news"}, []string{"sns=sns arn:aws:sns:eu-west-1:123456789012:news"}},
		"SES, outbox": {map[string]string{"SES_FROM": "news@example.com", "OUTBOX_DIR": t.TempDir()}, []string{"email=ses"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := setup.Read[messages.Config](awsSettings(tt.settings))
			if err != nil {
				t.Fatal(err)
			}
			channels, err := c.Channels()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.AddAWSChannels(channels, aws.Config{Region: "us-east-1"}); err != nil {
				t.Fatal(err)
			}
			if got := described(channels); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func described(channels notify.Channels) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		out = append(out, fmt.Sprintf("%s=%v", name, channels[name]))
	}
	return out
}

func TestAWSChannelsAreChecked(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"SES_FROM: excludes SMTP_ADDR": {"SES_FROM": "a@example.com", "SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com"},
		"SES_FROM: ":                   {"SES_FROM": "nobody"},
		"SNS_TOPIC_ARN: ":              {"SNS_TOPIC_ARN": "news"},
	} {
		if _, err := setup.Read[messages.Config](awsSettings(settings)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}
