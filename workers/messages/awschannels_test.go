package messages

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sluice/notify"
	"sluice/workers/setup"
)

func awsSettings(more map[string]string) map[string]string {
	s := map[string]string{"RECORDS_TABLE": "records", "STATE_TABLE": "state", "DEAD_LETTER_QUEUE_URL": "https://queue.example.com/dead"}
	maps.Copy(s, more)
	return s
}

func TestSettingsSelectChannels(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:123456789012:news"
	config := &aws.Config{Region: "us-east-1"}
	for name, tt := range map[string]struct {
		settings map[string]string
		clients  Clients
		want     []string // name=channel
	}{
		"none":                  {nil, Clients{AWS: config}, nil},
		"SES":                   {map[string]string{"SES_FROM": "news@example.com"}, Clients{AWS: config}, []string{"email=ses"}},
		"SNS":                   {map[string]string{"SNS_TOPIC_ARN": topic}, Clients{AWS: config}, []string{"sns=sns " + topic}},
		"SES before OUTBOX_DIR": {map[string]string{"SES_FROM": "news@example.com", "OUTBOX_DIR": t.TempDir()}, Clients{AWS: config}, []string{"email=ses"}},
		"SES before the outbox": {map[string]string{"SES_FROM": "news@example.com"}, Clients{AWS: config, Outbox: stand{}}, []string{"email=ses"}},
		"the outbox":            {nil, Clients{AWS: config, Outbox: stand{}}, []string{"email=outbox"}},
		"SMTP before the outbox": {
			map[string]string{"SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com"},
			Clients{Outbox: stand{}},
			[]string{"email=smtp mail.example.com:587"},
		},
		"no configuration of AWS": {map[string]string{"SES_FROM": "news@example.com", "SNS_TOPIC_ARN": topic}, Clients{}, nil},
		"no configuration of AWS, but an outbox": {
			map[string]string{"SES_FROM": "news@example.com"}, Clients{Outbox: stand{}}, []string{"email=outbox"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := setup.Read[Config](awsSettings(tt.settings))
			if err != nil {
				t.Fatal(err)
			}
			channels, err := c.channels(tt.clients)
			if err != nil {
				t.Fatal(err)
			}
			if got := described(channels); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// stand is an outbox.
type stand struct{ notify.Channel }

func (stand) String() string { return "outbox" }

func described(channels notify.Channels) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		out = append(out, fmt.Sprintf("%s=%v", name, channels[name]))
	}
	return out
}

func TestConfigRejectsInvalidAWSChannels(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"SES_FROM: set together with SMTP_ADDR": {"SES_FROM": "a@example.com", "SMTP_ADDR": "mail.example.com:587", "SMTP_FROM": "a@example.com"},
		"SES_FROM: ":                            {"SES_FROM": "nobody"},
		"SNS_TOPIC_ARN: ":                       {"SNS_TOPIC_ARN": "news"},
	} {
		if _, err := setup.Read[Config](awsSettings(settings)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}
