package sqsserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/local/store"
)

// BenchmarkPath sends, receives and deletes durable messages of 200 bytes through
// the protocol, in batches, over loopback. One operation is one message. Clients
// and server share the cores of the machine.
func BenchmarkPath(b *testing.B) {
	for _, via := range []string{"raw", "sdk"} {
		for _, batch := range []int{1, 10} {
			for _, clients := range []int{8, 32} {
				b.Run(fmt.Sprintf("via=%s/batch=%d/clients=%d", via, batch, clients), func(b *testing.B) {
					srv := httptest.NewServer(newService(b, store.Options{}))
					defer srv.Close()
					transport := &http.Transport{MaxIdleConnsPerHost: clients}
					defer transport.CloseIdleConnections()
					c := newClient(srv.URL, &http.Client{Transport: transport})
					out, err := c.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("bench")})
					if err != nil {
						b.Fatal(err)
					}
					var p path = &sdkPath{c, *out.QueueUrl, batch}
					if via == "raw" {
						p = newRawPath(srv.URL, *out.QueueUrl, batch, &http.Client{Transport: transport})
					}
					drive(b, p, batch, clients)
				})
			}
		}
	}
}

// path is a client of the service. It is safe for concurrent use.
type path interface {
	send(ctx context.Context) error
	receive(ctx context.Context) (handles []string, err error)
	delete(ctx context.Context, handles []string) error
}

// drive lets every client send, receive and delete a batch until b.N messages are
// deleted.
func drive(b *testing.B, p path, batch, clients int) {
	var toSend, deleted atomic.Int64
	toSend.Store(int64(b.N))
	latencies := make([][]time.Duration, clients)
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for deleted.Load() < int64(b.N) {
				start := time.Now()
				if toSend.Add(-int64(batch)) > -int64(batch) {
					if err := p.send(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
				hs, err := p.receive(b.Context())
				if err == nil && len(hs) > 0 {
					err = p.delete(b.Context(), hs)
				}
				if err != nil {
					b.Error(err)
					return
				}
				deleted.Add(int64(len(hs)))
				latencies[i] = append(latencies[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if spent := cpuTime() - cpu; spent > 0 {
		b.ReportMetric(float64(spent.Microseconds())/float64(deleted.Load()), "cpu-us/msg")
	}
	var all []time.Duration
	for _, l := range latencies {
		all = append(all, l...)
	}
	b.ReportMetric(float64(deleted.Load())/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(quantile(all, 0.50).Seconds()*1000, "p50-ms")
	b.ReportMetric(quantile(all, 0.99).Seconds()*1000, "p99-ms")
}

func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(ds))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

var benchBody = strings.Repeat("0123456789", 20)

// sdkPath uses the SDK, as the workers do.
type sdkPath struct {
	c     *sqs.Client
	url   string
	batch int
}

func (p *sdkPath) send(ctx context.Context) error {
	var es []types.SendMessageBatchRequestEntry
	for i := range p.batch {
		es = append(es, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &benchBody})
	}
	_, err := p.c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &p.url, Entries: es})
	return err
}

func (p *sdkPath) receive(ctx context.Context) (hs []string, err error) {
	out, err := p.c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.url, MaxNumberOfMessages: int32(p.batch)})
	if err != nil {
		return nil, err
	}
	for _, m := range out.Messages {
		hs = append(hs, *m.ReceiptHandle)
	}
	return hs, nil
}

func (p *sdkPath) delete(ctx context.Context, hs []string) error {
	var es []types.DeleteMessageBatchRequestEntry
	for i := range hs {
		es = append(es, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: &hs[i]})
	}
	_, err := p.c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.url, Entries: es})
	return err
}

// rawPath writes the protocol itself, so that most of the measured time is the
// server's.
type rawPath struct {
	c                 *http.Client
	base, url         string
	sending, fetching []byte
}

func newRawPath(base, url string, batch int, c *http.Client) *rawPath {
	type entry struct{ Id, MessageBody string }
	in := struct {
		QueueUrl string
		Entries  []entry
	}{QueueUrl: url}
	for i := range batch {
		in.Entries = append(in.Entries, entry{fmt.Sprint(i), benchBody})
	}
	sending, _ := json.Marshal(in)
	return &rawPath{c, base, url, sending, fmt.Appendf(nil, `{"QueueUrl":%q,"MaxNumberOfMessages":%d}`, url, batch)}
}

func (p *rawPath) do(ctx context.Context, action string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	res, err := p.c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || bytes.Contains(out, []byte(`"Failed"`))) {
		err = fmt.Errorf("%s: %s %s", action, res.Status, out)
	}
	return out, err
}

func (p *rawPath) send(ctx context.Context) error {
	_, err := p.do(ctx, "SendMessageBatch", p.sending)
	return err
}

func (p *rawPath) receive(ctx context.Context) (hs []string, err error) {
	out, err := p.do(ctx, "ReceiveMessage", p.fetching)
	const mark = `"ReceiptHandle":"`
	for {
		i := bytes.Index(out, []byte(mark))
		if i < 0 {
			return hs, err
		}
		out = out[i+len(mark):]
		j := bytes.IndexByte(out, '"')
		hs = append(hs, string(out[:j]))
		out = out[j:]
	}
}

func (p *rawPath) delete(ctx context.Context, hs []string) error {
	b := fmt.Appendf(nil, `{"QueueUrl":%q,"Entries":[`, p.url)
	for i, h := range hs {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"Id":"%d","ReceiptHandle":%q}`, i, h)
	}
	_, err := p.do(ctx, "DeleteMessageBatch", append(b, "]}"...))
	return err
}
