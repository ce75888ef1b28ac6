package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sluice/notify"
)

// Rules for a welcome mail, for the result of a picture and for that of an order.
func ExampleRules() {
	rules, err := notify.ParseRules([]byte(`[
	  {"name": "welcome", "on": "status-changed", "keys": "user#*", "from": "pending", "to": "active",
	   "channel": "mail", "recipient": "{{.New.email}}",
	   "subject": "Welcome, {{or (index .New \"name\") \"friend\"}}", "body": "Your account is active."},

	  {"name": "image-ready", "on": "status-changed", "keys": "image#**", "to": "ready",
	   "channel": "outbox", "subject": "Picture ready", "body": "{{.New.key}} has {{len .New.thumbnails}} thumbnails."},
	  {"name": "image-rejected", "on": "status-changed", "keys": "image#**", "to": "rejected",
	   "channel": "outbox", "subject": "Picture rejected", "body": "{{.New.key}}: {{.New.reason}}"},

	  {"name": "order-completed", "on": "status-changed", "keys": "user#*/order#*", "to": "completed",
	   "channel": "mail", "recipient": "{{.New.email}}", "subject": "Your order is done", "body": "Thank you."},
	  {"name": "order-failed", "on": "status-changed", "keys": "user#*/order#*", "to": "failed",
	   "channel": "mail", "recipient": "{{.New.email}}", "subject": "Your order has failed", "body": "{{.New.reason}}"}
	]`))
	if err != nil {
		fmt.Println(err)
		return
	}

	type item = map[string]any
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, change := range []notify.Change{
		{
			ID: "e1", At: at, Key: "user#ann@b.example",
			Old: item{"status": "pending", "email": "ann@b.example"},
			New: item{"status": "active", "email": "ann@b.example"},
		},
		{
			ID: "e2", At: at, Key: "image#uploads/cats/tom.jpg",
			Old: item{"status": "uploaded", "key": "cats/tom.jpg"},
			New: item{"status": "ready", "key": "cats/tom.jpg", "thumbnails": []any{"200x200", "800x800"}},
		},
		{
			ID: "e3", At: at, Key: "image#uploads/cats/notes.txt",
			Old: item{"status": "uploaded", "key": "cats/notes.txt"},
			New: item{"status": "rejected", "key": "cats/notes.txt", "reason": "this is not a picture"},
		},
		{
			ID: "e4", At: at, Key: "user#ann@b.example/order#1",
			Old: item{"status": "processing", "email": "ann@b.example"},
			New: item{"status": "completed", "email": "ann@b.example"},
		},
		{
			ID: "e5", At: at, Key: "user#ann@b.example/order#2",
			Old: item{"status": "processing", "email": "ann@b.example"},
			New: item{"status": "failed", "email": "ann@b.example", "reason": "The card was refused."},
		},
	} {
		notifications, err := rules.Notifications(change)
		if err != nil {
			fmt.Println(err)
		}
		for _, n := range notifications {
			fmt.Printf("%s to %q: %s. %s\n", n.Rule, n.To, n.Subject, n.Body)
		}
	}
	// Output:
	// welcome to "ann@b.example": Welcome, friend. Your account is active.
	// image-ready to "": Picture ready. cats/tom.jpg has 2 thumbnails.
	// image-rejected to "": Picture rejected. cats/notes.txt: this is not a picture
	// order-completed to "ann@b.example": Your order is done. Thank you.
	// order-failed to "ann@b.example": Your order has failed. The card was refused.
}

func ExampleEvents() {
	for _, e := range notify.Events(notify.Change{
		Old: map[string]any{"status": "processing", "lock": "worker-1"},
		New: map[string]any{"status": "completed"},
	}) {
		fmt.Printf("%s from=%q to=%q attribute=%q\n", e.Kind, e.From, e.To, e.Attribute)
	}
	// Output:
	// status-changed from="processing" to="completed" attribute=""
	// attribute-removed from="processing" to="completed" attribute="lock"
}

func ExampleChannels() {
	dir, err := os.MkdirTemp("", "sluice")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	outbox, err := notify.OpenOutbox(filepath.Join(dir, "outbox"))
	if err != nil {
		fmt.Println(err)
		return
	}
	channels := notify.Channels{"outbox": outbox}

	n := notify.Notification{ID: "hello-1", Channel: "outbox", Subject: "Hello", Body: "Hello.", At: time.Unix(0, 0)}
	for range 2 { // the second does nothing
		if err := channels.Send(context.Background(), n); err != nil {
			fmt.Println(err)
		}
	}
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	fmt.Println(len(sent), sent[0].ID, err)

	n.Channel = "pigeon"
	err = channels.Send(context.Background(), n)
	_, never := errors.AsType[*notify.RejectedError](err)
	fmt.Println(err, never)
	// Output:
	// 1 hello-1 <nil>
	// notification "hello-1": rejected: unknown channel "pigeon", want one of "outbox" true
}

// A receiver verifies a webhook before it decodes the body.
func ExampleVerify() {
	secret, err := notify.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{}
	header.Set("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("Webhook-Timestamp", "1614265330")
	header.Set("Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body := []byte(`{"test": 2432232314}`)

	now := time.Unix(1614265400, 0)
	fmt.Println(notify.Verify(header, body, now, notify.DefaultTolerance, secret))
	fmt.Println(notify.Verify(header, body, now.Add(time.Hour), notify.DefaultTolerance, secret))
	fmt.Println(notify.Verify(header, []byte("{}"), now, notify.DefaultTolerance, secret))
	// Output:
	// <nil>
	// webhook signature: timestamp: got 1614265330, want at most 5m0s from now
	// webhook signature: no signature matches
}
