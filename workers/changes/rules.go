package changes

import (
	"strconv"

	"sluice/notify"
	"sluice/workers/schema"
)

// DefaultRules notify users of their registration and orders, and operator, unless
// it is empty, of pictures. They use the channel "email".
//
// Attributes that users choose are one line in each body.
//
// The metadata of an upload never chooses the recipient, since an upload could
// then send mail to anyone.
func DefaultRules(operator string) []notify.Rule {
	status := func(name, record, to, recipient, subject, body string) notify.Rule {
		return notify.Rule{
			Name: name, On: notify.StatusChanged, Record: record, To: to,
			Channel: "email", Recipient: recipient, Subject: subject, Body: body,
		}
	}
	rules := []notify.Rule{
		status("welcome", schema.RecordUser, schema.StatusActive, "{{.Item.email}}",
			"Welcome", "Hello {{line (or (index .Item `name`) .Item.email)}}, your account is active.\n"),
		status("order-completed", schema.RecordOrder, schema.StatusCompleted, "{{.Item.email}}",
			"Order {{.Item.id}} is complete", "Your order {{line .Item.id}} is complete.\n"),
		status("order-failed", schema.RecordOrder, schema.StatusFailed, "{{.Item.email}}",
			"Order {{.Item.id}} failed", "Your order {{line .Item.id}} failed: {{line (or (index .Item `reason`) `no reason was given`)}}\n"),
		status("order-cancelled", schema.RecordOrder, schema.StatusCancelled, "{{.Item.email}}",
			"Order {{.Item.id}} is cancelled", "Your order {{line .Item.id}} is cancelled.\n"),
	}
	if operator == "" {
		return rules
	}
	for _, on := range []notify.Kind{notify.Created, notify.StatusChanged} {
		for _, picture := range []struct{ status, subject, body string }{
			{schema.StatusReady, "Picture {{.Item.key}} is ready", "{{.Item.bucket}}/{{line .Item.key}} has its thumbnails.\n"},
			{schema.StatusRejected, "Picture {{.Item.key}} was rejected", "{{.Item.bucket}}/{{line .Item.key}}: {{line (or (index .Item `reason`) `no reason was given`)}}\n"},
		} {
			rules = append(rules, notify.Rule{
				Name: "image-" + picture.status + "-" + string(on), On: on, Record: schema.RecordImage, To: picture.status,
				Channel: "email", Recipient: "{{" + strconv.Quote(operator) + "}}", Subject: picture.subject, Body: picture.body,
			})
		}
	}
	return rules
}
