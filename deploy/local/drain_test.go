package main

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// expecting is a way to the home, and a channel that is closed when the home reads
// the body of the first request: then that is under way.
func expecting() (http.RoundTripper, <-chan struct{}) {
	in := make(chan struct{})
	var once sync.Once
	next := newTransport()
	next.ExpectContinueTimeout = time.Minute
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { once.Do(func() { close(in) }) },
		}))
		r.ProtoMajor, r.ProtoMinor = 1, 1 // the SDK leaves it out, and nothing is expected then
		r.Header.Set("Expect", "100-continue")
		return next.RoundTrip(r)
	}), in
}

// slowUpload begins an upload of ten bytes and sends two of them. What is written
// to rest goes on with it; the answer's status comes at the end, 0 if there is
// none.
func slowUpload(t *testing.T, h *remote, key string) (rest io.WriteCloser, status <-chan int) {
	t.Helper()
	req, err := s3.NewPresignClient(h.S3).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketUploads), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	body, rest := io.Pipe()
	put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, req.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	put.ContentLength = 10
	transport, in := expecting()
	ended := make(chan int, 1)
	go func() {
		res, err := transport.RoundTrip(put)
		if err != nil {
			ended <- 0
			return
		}
		_ = res.Body.Close()
		ended <- res.StatusCode
	}()
	<-in
	if _, err := io.WriteString(rest, "ab"); err != nil {
		t.Fatal(err)
	}
	return rest, ended
}

// longPoll waits for a message that does not come. It returns when the home has
// the request.
func longPoll(t *testing.T, h *remote) <-chan error {
	t.Helper()
	transport, in := expecting()
	c := newRemote(h.address, transport).SQS
	q, err := h.SQS.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(queueChangesDead)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 20},
			func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
		ended <- err
	}()
	select {
	case <-in:
	case err := <-ended:
		t.Fatalf("long poll: %v", err)
	}
	return ended
}

func TestInterruptWaitsForRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, h := serving(t, "-data", dir, "-drain", "1m")
	rest, status := slowUpload(t, h, "slow.txt")
	poll := longPoll(t, h)
	start := time.Now()
	p.interrupt(t)
	if err := <-poll; err != nil {
		t.Errorf("long poll: got %v, want an empty answer", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the poll ended after %v, want it ended by the signal", took)
	}
	// Nobody else gets in.
	if _, err := h.S3.ListBuckets(t.Context(), &s3.ListBucketsInput{}, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
		t.Error("a home that stops took a new request")
	}
	if _, err := io.WriteString(rest, "cdefghij"); err != nil {
		t.Error(err)
	}
	_ = rest.Close()
	if got := <-status; got != http.StatusOK {
		t.Errorf("upload that was under way: got %d, want 200", got)
	}
	if got := p.status(); got != 0 {
		t.Errorf("exit status: got %d, want 0\n%s", got, p.stderr.String())
	}
	_, h = serving(t, "-data", dir)
	if _, err := h.S3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucketUploads), Key: aws.String("slow.txt")}); err != nil {
		t.Errorf("the upload after a restart: %v", err)
	}
}

func TestInterruptSaysWhatItCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, h := serving(t, "-data", dir, "-drain", "500ms")
	rest, status := slowUpload(t, h, "big.jpg")
	p.interrupt(t)
	if got := p.status(); got != 1 {
		t.Errorf("exit status: got %d, want 1", got)
	}
	_ = rest.Close()
	if got := <-status; got == http.StatusOK {
		t.Error("half an upload was acknowledged")
	}
	if out := p.stderr.String(); !strings.Contains(out, "1 upload cut: PUT /uploads/big.jpg") || strings.Contains(out, "Signature") {
		t.Errorf("standard error: got %q, want it to name the upload, without its signature", out)
	}
	if left := tree(t, filepath.Join(dir, "objects")); len(left) != 0 {
		t.Errorf("half a body was left: %v", slices.Collect(maps.Keys(left)))
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p, h := serving(t, "-data", t.TempDir(), "-drain", "1h")
	slowUpload(t, h, "big.jpg")
	p.interrupt(t)
	ended := make(chan error, 1)
	go func() { ended <- p.wait() }()
	again := time.NewTicker(50 * time.Millisecond) // the first may still be in the hands of the process
	defer again.Stop()
	for {
		select {
		case <-again.C:
			_ = p.Process.Signal(os.Interrupt)
			continue
		case <-ended:
		}
		break
	}
	if s := p.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
		t.Errorf("ended by %v, want the signal", p.ProcessState)
	}
}

// silent takes connections and never says a word on them.
func silent(t *testing.T) (addr string, taken <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	got := make(chan struct{}, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			got <- struct{}{}
		}
	}()
	return l.Addr().String(), got
}

// A command that is interrupted while it follows pictures says what became of
// them so far, and what is left.
func TestInterruptedCommandPrintsItsTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mail, taken := silent(t)
	p := startProgramWith(t, []string{"SMTP_ADDR=" + mail, "SMTP_FROM=home@example.com", "SMTP_SECURITY=none"},
		"-data", dir, "-drain", "1s", filepath.Join(goodPictures, "orientation-1-upright.jpg"), filepath.Join(badPictures, "zero-bytes.png"))
	<-taken // the pictures are done, and the mail server lets their notifications wait
	<-taken
	p.interrupt(t)
	if got := p.status(); got != 1 {
		t.Errorf("exit status: got %d, want 1", got)
	}
	out, errs := p.stdout.String(), p.stderr.String()
	for _, want := range []string{"FILE ", "orientation-1-upright.jpg", " ready ", "zero-bytes.png", "rejected: the file is empty", "email to operator@localhost waiting", filepath.Join(dir, "thumbnails")} {
		if !strings.Contains(out, want) {
			t.Errorf("standard output: got\n%s\nwant %q in it", out, want)
		}
	}
	for _, want := range []string{"stuck", "queue notifications: 0 waiting, 2 in hand"} {
		if !strings.Contains(errs, want) {
			t.Errorf("standard error: got\n%s\nwant %q in it", errs, want)
		}
	}
}

// A command lives in the home of another one, which is done first.
func TestHomeWaitsForItsGuest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begun := make(chan string, 2)
	gates := map[string]chan struct{}{"host": make(chan struct{}), "guest": make(chan struct{})}
	orders := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		for name, gate := range gates {
			if err == nil && strings.Contains(string(body), `"`+name+`"`) {
				begun <- name
				<-gate
			}
		}
	}))
	t.Cleanup(orders.Close)
	send := func(id string) *program {
		return startProgramWith(t, []string{"ORDER_ENDPOINT=" + orders.URL}, "-data", dir, "send", "order-processing", `{"email":"ada@example.com","id":"`+id+`"}`)
	}
	host := send("host")
	<-begun
	guest := send("guest")
	guest.await(t, "using the home at")
	<-begun
	close(gates["host"])
	host.await(t, "notify  email to ada@example.com")
	ended := make(chan int, 1)
	go func() { ended <- guest.status() }()
	select {
	case <-ended:
		t.Fatalf("the guest ended with its host:\n%s", guest.stderr.String())
	case <-time.After(time.Second): // it asks ten times
	}
	close(gates["guest"])
	if got := <-ended; got != 0 || !strings.Contains(guest.stdout.String(), "processing -> completed") {
		t.Errorf("guest: got status %d\n%s%s", got, guest.stdout.String(), guest.stderr.String())
	}
	if got := host.status(); got != 0 {
		t.Errorf("host: got status %d\n%s", got, host.stderr.String())
	}
}

// Commands that begin at the same time share one home, or wait for each other.
func TestCommandsAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all []*program
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, startProgram(t, "-data", dir, "send", "user-registration", `{"email":"`+name+`@example.com"}`))
	}
	for _, p := range all {
		if got := p.status(); got != 0 || !strings.Contains(p.stdout.String(), "pending -> active") {
			t.Errorf("got status %d\n%s%s", got, p.stdout.String(), p.stderr.String())
		}
	}
}
