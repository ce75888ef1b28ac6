package sqstest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var queueCases = []Case{
	{
		Name: "create is idempotent",
		Rule: "CreateQueue of an existing queue returns its URL if the attributes are the same, and otherwise QueueNameExists.",
		Check: func(t *T) {
			name := t.name()
			url := t.create(name, attrs("VisibilityTimeout", "7"))
			for _, a := range []map[string]string{nil, attrs("VisibilityTimeout", "7")} {
				if got := t.create(name, a); got != url {
					t.Errorf("created again with %v: got %s, want %s", a, got, url)
				}
			}
			_, err := t.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs("VisibilityTimeout", "8")})
			wantError[*types.QueueNameExists](t, "other attributes", err)
			wantCode(t, "other attributes", err, "QueueAlreadyExists")
		},
	},
	{
		Name: "queue names",
		Rule: "A queue name has 1 to 80 letters, digits, hyphens and underscores, and ends with .fifo if and only if the queue is FIFO.",
		Check: func(t *T) {
			for _, name := range []string{"a b", "a/b", "ä", "a.b", strings.Repeat("a", 81), "a.fifo"} {
				_, err := t.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
				wantCode(t, fmt.Sprintf("name %q", name), err, "InvalidParameterValue")
			}
			_, err := t.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(t.name()), Attributes: attrs("FifoQueue", "true")})
			wantCode(t, "FIFO without its suffix", err, "InvalidParameterValue")
			t.create(strings.Repeat("Z", 60)+t.name()[:20], nil)
		},
	},
	{
		Name: "a queue that does not exist",
		Rule: "Every action on a queue that does not exist fails with QueueDoesNotExist.",
		Check: func(t *T) {
			url := t.queue()
			gone := strings.Replace(url, url[strings.LastIndex(url, "/")+1:], t.name(), 1)
			name := t.name()
			_, err := t.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
			wantError[*types.QueueDoesNotExist](t, "get URL", err)
			wantCode(t, "get URL", err, "AWS.SimpleQueueService.NonExistentQueue")
			_, err = t.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &gone, MessageBody: aws.String("x")})
			wantError[*types.QueueDoesNotExist](t, "send", err)
			_, err = t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &gone})
			wantError[*types.QueueDoesNotExist](t, "receive", err)
			_, err = t.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &gone, WaitTimeSeconds: 1})
			wantError[*types.QueueDoesNotExist](t, "long poll", err)
			_, err = t.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &gone})
			wantError[*types.QueueDoesNotExist](t, "attributes", err)
			_, err = t.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &gone})
			wantError[*types.QueueDoesNotExist](t, "delete queue", err)
			_, err = t.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &gone})
			wantError[*types.QueueDoesNotExist](t, "purge", err)
		},
	},
	{
		Name: "get URL",
		Rule: "GetQueueUrl returns the URL that CreateQueue returned.",
		Check: func(t *T) {
			name := t.name()
			url := t.create(name, nil)
			out, err := t.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
			if err != nil || *out.QueueUrl != url {
				t.Errorf("got %v, %v, want %s", out, err, url)
			}
		},
	},
	{
		Name: "attributes and their defaults",
		Rule: "GetQueueAttributes returns set values, AWS's defaults and counts, and only the attributes that were asked for.",
		Check: func(t *T) {
			url := t.queue("DelaySeconds", "3")
			got := t.attributes(url)
			for name, want := range attrs("VisibilityTimeout", "30", "MessageRetentionPeriod", "345600", "DelaySeconds", "3",
				"ReceiveMessageWaitTimeSeconds", "0", "MaximumMessageSize", "1048576", "ApproximateNumberOfMessages", "0",
				"ApproximateNumberOfMessagesNotVisible", "0", "ApproximateNumberOfMessagesDelayed", "0") {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
			for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"} {
				if got[name] == "" {
					t.Errorf("%s is not shown", name)
				}
			}
			if got := t.attributes(url, "DelaySeconds"); len(got) != 1 {
				t.Errorf("asked for one attribute, got %v", got)
			}
		},
	},
	{
		Name: "attribute limits",
		Rule: "An attribute outside its range is InvalidAttributeValue, an unknown one InvalidAttributeName, and neither changes the queue.",
		Check: func(t *T) {
			url := t.queue()
			before := t.attributes(url)
			for name, values := range map[string][]string{
				"VisibilityTimeout":             {"-1", "43201", "x", "1.5"},
				"DelaySeconds":                  {"-1", "901"},
				"MessageRetentionPeriod":        {"59", "1209601"},
				"ReceiveMessageWaitTimeSeconds": {"-1", "21"},
				"MaximumMessageSize":            {"1023", "1048577"},
			} {
				for _, v := range values {
					_, err := t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs(name, v)})
					wantError[*types.InvalidAttributeValue](t, name+"="+v, err)
				}
			}
			_, err := t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs("Nonsense", "1")})
			wantError[*types.InvalidAttributeName](t, "unknown attribute", err)
			_, err = t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs("ContentBasedDeduplication", "true")})
			wantError[*types.InvalidAttributeName](t, "FIFO attribute of a standard queue", err)
			if after := t.attributes(url); after["VisibilityTimeout"] != before["VisibilityTimeout"] {
				t.Errorf("got %v after, %v before", after, before)
			}
		},
	},
	{
		Name: "set attributes",
		Rule: "SetQueueAttributes changes the given attributes and leaves the others.",
		Check: func(t *T) {
			url := t.queue("DelaySeconds", "3")
			_, err := t.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
				QueueUrl: &url, Attributes: attrs("VisibilityTimeout", "43200", "MessageRetentionPeriod", "1209600"),
			})
			if err != nil {
				t.Fatal(err)
			}
			got := t.attributes(url)
			for name, want := range attrs("VisibilityTimeout", "43200", "MessageRetentionPeriod", "1209600", "DelaySeconds", "3") {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
		},
	},
	{
		Name: "list queues",
		Rule: "ListQueues returns the queues with a prefix, in pages on request.",
		Check: func(t *T) {
			prefix := t.name()
			var want []string
			for i := range 5 {
				want = append(want, t.create(fmt.Sprintf("%s-%d", prefix, i), nil))
			}
			t.queue()
			out, err := t.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
			if err != nil || !slices.Equal(slices.Sorted(slices.Values(out.QueueUrls)), want) {
				t.Errorf("got %v, %v, want %v", out.QueueUrls, err, want)
			}
			var got []string
			pages := sqs.NewListQueuesPaginator(t.Client, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
			n := 0
			for ; pages.HasMorePages(); n++ {
				out, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, out.QueueUrls...)
			}
			if !slices.Equal(slices.Sorted(slices.Values(got)), want) || n != 3 {
				t.Errorf("in pages of two: got %v in %d pages, want %v in 3", got, n, want)
			}
		},
	},
	{
		Name: "delete queue",
		Rule: "DeleteQueue removes the queue with its messages.",
		Check: func(t *T) {
			name := t.name()
			url := t.create(name, nil)
			t.send(url, "x")
			if _, err := t.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Fatal(err)
			}
			_, err := t.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
			wantError[*types.QueueDoesNotExist](t, "after it", err)
		},
	},
	{
		Name: "purge",
		Rule: "PurgeQueue removes all messages, those in flight and delayed included.",
		Check: func(t *T) {
			url := t.queue("VisibilityTimeout", "1")
			t.send(url, "in flight")
			t.receive(url, 1)
			t.send(url, "visible")
			t.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("delayed"), DelaySeconds: 1})
			if _, err := t.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
				t.Fatal(err)
			}
			t.wantCounts(url, 0, 0, 0)
			t.sleep(1100 * time.Millisecond)
			t.none(url)
			t.send(url, "new")
			t.one(url, "new")
		},
	},
	{
		Name: "second purge",
		Rule: "A second PurgeQueue within 60 seconds is PurgeQueueInProgress.",
		Check: func(t *T) {
			url := t.queue()
			purge := func() error {
				_, err := t.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
				return err
			}
			if err := purge(); err != nil {
				t.Fatal(err)
			}
			wantError[*types.PurgeQueueInProgress](t, "at once", purge())
			t.sleep(61 * time.Second)
			if err := purge(); err != nil {
				t.Errorf("after a minute: %v", err)
			}
		},
	},
	{
		Name: "tags",
		Rule: "Tags can be set, replaced, removed and listed.",
		Check: func(t *T) {
			url := t.queue()
			tags := func() map[string]string {
				out, err := t.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &url})
				if err != nil {
					t.Fatal(err)
				}
				return out.Tags
			}
			set := func(kv ...string) {
				if _, err := t.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: attrs(kv...)}); err != nil {
					t.Fatal(err)
				}
			}
			set("a", "1", "b", "2")
			set("a", "3")
			if _, err := t.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"b"}}); err != nil {
				t.Fatal(err)
			}
			if got := tags(); len(got) != 1 || got["a"] != "3" {
				t.Errorf("got %v, want a=3", got)
			}
		},
	},
}
