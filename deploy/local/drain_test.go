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

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
)

// expecting returns a transport, and a channel that is closed when the stack
// reads the body of the first request, which is then in flight.
func expecting() (http.RoundTripper, <-chan struct{}) {
	in := make(chan struct{})
	var once sync.Once
	next := admin.NewTransport()
	next.ExpectContinueTimeout = time.Minute
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { once.Do(func() { close(in) }) },
		}))
		r.ProtoMajor, r.ProtoMinor = 1, 1 // the SDK leaves it out, and nothing sends Expect then
		r.Header.Set("Expect", "100-continue")
		return next.RoundTrip(r)
	}), in
}

// slowUpload begins an upload of ten bytes and sends two of them. The test writes
// the others to rest. status receives the response's status, 0 without one.
func slowUpload(t *testing.T, h *admin.Client, key string) (rest io.WriteCloser, status <-chan int) {
	t.Helper()
	req, err := s3.NewPresignClient(h.S3).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(stack.BucketUploads), Key: &key})
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

// longPoll waits for a message that does not come. It returns when the request is
// in flight.
func longPoll(t *testing.T, h *admin.Client) <-chan error {
	t.Helper()
	transport, in := expecting()
	c := admin.NewClient(h.Runtime, transport).SQS
	q, err := h.SQS.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("changes-dead")})
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

// TestInterruptWaitsForInFlightRequests: an upload in flight finishes, and a
// long poll ends at once.
func TestInterruptWaitsForInFlightRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, h := serving(t, "-data", dir, "-drain", "1m")
	rest, status := slowUpload(t, h, "slow.txt")
	poll := longPoll(t, h)
	start := time.Now()
	p.interrupt(t)
	if err := <-poll; err != nil {
		t.Errorf("long poll: got %v, want an empty response", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the poll ended after %v, want the signal to end it", took)
	}
	// New requests are refused.
	if _, err := h.S3.ListBuckets(t.Context(), &s3.ListBucketsInput{}, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
		t.Error("a stopping stack served a new request")
	}
	if _, err := io.WriteString(rest, "cdefghij"); err != nil {
		t.Error(err)
	}
	_ = rest.Close()
	if got := <-status; got != http.StatusOK {
		t.Errorf("upload in flight: got %d, want 200", got)
	}
	if got := p.status(); got != 0 {
		t.Errorf("exit status: got %d, want 0\n%s", got, p.stderr.String())
	}
	_, h = serving(t, "-data", dir)
	if _, err := h.S3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(stack.BucketUploads), Key: aws.String("slow.txt")}); err != nil {
		t.Errorf("the upload after a restart: %v", err)
	}
}

// TestInterruptNamesRequestsItCutOff: Close names uploads that exceed the drain
// limit.
func TestInterruptNamesRequestsItCutOff(t *testing.T) {
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
	if out := p.stderr.String(); !strings.Contains(out, "1 upload cut off: PUT /uploads/big.jpg") || strings.Contains(out, "Signature") {
		t.Errorf("standard error: got %q, want it to name the upload, without its signature", out)
	}
	if left := tree(t, filepath.Join(dir, "objects")); len(left) != 0 {
		t.Errorf("half a body was left: %v", slices.Collect(maps.Keys(left)))
	}
}

// TestSecondSignalEndsAtOnce: the second signal ends the process without a drain.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p, h := serving(t, "-data", t.TempDir(), "-drain", "1h")
	slowUpload(t, h, "big.jpg")
	p.interrupt(t)
	ended := make(chan error, 1)
	go func() { ended <- p.wait() }()
	again := time.NewTicker(50 * time.Millisecond) // the process may still handle the first signal
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

// silent accepts connections and writes nothing to them.
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

// TestInterruptedCommandPrintsItsReport: a command that is interrupted while it
// follows pictures prints their state.
func TestInterruptedCommandPrintsItsReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mail, taken := silent(t)
	p := startProgramWith(t, []string{"SMTP_ADDR=" + mail, "SMTP_FROM=sluice@example.com", "SMTP_SECURITY=none"},
		"-data", dir, "-drain", "1s", filepath.Join(goodPictures, "orientation-1-upright.jpg"), filepath.Join(badPictures, "zero-bytes.png"))
	<-taken // the pictures are done, and the mail server delays their notifications
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
	for _, want := range []string{"stuck", "queue notifications: 0 waiting, 2 in flight"} {
		if !strings.Contains(errs, want) {
			t.Errorf("standard error: got\n%s\nwant %q in it", errs, want)
		}
	}
}

// TestStackWaitsForOtherCommands: a command uses the stack of another command,
// which is done first and waits.
func TestStackWaitsForOtherCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begun := make(chan string, 2)
	release := map[string]chan struct{}{"owner": make(chan struct{}), "other": make(chan struct{})}
	orders := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		for name, released := range release {
			if err == nil && strings.Contains(string(body), `"`+name+`"`) {
				begun <- name
				<-released
			}
		}
	}))
	t.Cleanup(orders.Close)
	send := func(id string) *program {
		return startProgramWith(t, []string{"ORDER_ENDPOINT=" + orders.URL}, "-data", dir, "send", "order-processing", `{"email":"ada@example.com","id":"`+id+`"}`)
	}
	owner := send("owner")
	<-begun
	other := send("other")
	other.await(t, "using the local stack at")
	<-begun
	close(release["owner"])
	owner.await(t, "notify  email to ada@example.com")
	ended := make(chan int, 1)
	go func() { ended <- other.status() }()
	select {
	case <-ended:
		t.Fatalf("the command ended with the owner of its stack:\n%s", other.stderr.String())
	case <-time.After(time.Second): // it sends ten requests
	}
	close(release["other"])
	if got := <-ended; got != 0 || !strings.Contains(other.stdout.String(), "processing -> completed") {
		t.Errorf("other: got status %d\n%s%s", got, other.stdout.String(), other.stderr.String())
	}
	if got := owner.status(); got != 0 {
		t.Errorf("owner: got status %d\n%s", got, owner.stderr.String())
	}
}

// TestCommandsShareOneStack: commands that begin at the same time share one
// stack, or wait for each other.
func TestCommandsShareOneStack(t *testing.T) {
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
