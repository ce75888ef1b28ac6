package sqsqueue_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/pipeline/sqsqueue"
)

// home is a client of a throw-away SQS, which notes what is asked of it.
type home struct {
	*sqs.Client
	t *testing.T

	mu      sync.Mutex
	batches [][]types.SendMessageBatchRequestEntry
	letters []*sqs.SendMessageInput
	hidden  []int32 // seconds

	// answer may take the place of SQS's own.
	answer func(*sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error)
	broken error // of SendMessage and ChangeMessageVisibility
}

var _ sqsqueue.Client = (*home)(nil)

func newHome(t *testing.T) *home {
	t.Helper()
	db, err := store.Open(t.TempDir(), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	service, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := service.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &home{t: t, Client: sqs.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})}
}

// queue makes a queue, FIFO if its name says so, and gives its URL.
func (h *home) queue(name string) string {
	h.t.Helper()
	in := &sqs.CreateQueueInput{QueueName: &name}
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	out, err := h.CreateQueue(h.t.Context(), in)
	if err != nil {
		h.t.Fatal(err)
	}
	return *out.QueueUrl
}

// receive takes all that is on the queue.
func (h *home) receive(url string) []types.Message {
	h.t.Helper()
	var all []types.Message
	for {
		out, err := h.ReceiveMessage(h.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		all = append(all, out.Messages...)
		if strings.HasSuffix(url, ".fifo") {
			// A group whose message is in hand gives no other.
			for _, m := range out.Messages {
				if _, err := h.DeleteMessage(h.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					h.t.Fatal(err)
				}
			}
		}
	}
}

func (h *home) SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, o ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	h.mu.Lock()
	h.batches = append(h.batches, in.Entries)
	h.mu.Unlock()
	if h.answer != nil {
		if out, err := h.answer(in); out != nil || err != nil {
			return out, err
		}
	}
	return h.Client.SendMessageBatch(ctx, in, o...)
}

func (h *home) SendMessage(ctx context.Context, in *sqs.SendMessageInput, o ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	h.mu.Lock()
	h.letters = append(h.letters, in)
	h.mu.Unlock()
	if h.broken != nil {
		return nil, h.broken
	}
	return h.Client.SendMessage(ctx, in, o...)
}

func (h *home) ChangeMessageVisibility(ctx context.Context, in *sqs.ChangeMessageVisibilityInput, o ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	h.mu.Lock()
	h.hidden = append(h.hidden, in.VisibilityTimeout)
	h.mu.Unlock()
	if h.broken != nil {
		return nil, h.broken
	}
	return h.Client.ChangeMessageVisibility(ctx, in, o...)
}

// attrs are the texts of a message's attributes.
func attrs(m types.Message) map[string]string {
	all := map[string]string{}
	for name, a := range m.MessageAttributes {
		all[name] = aws.ToString(a.StringValue)
	}
	return all
}
