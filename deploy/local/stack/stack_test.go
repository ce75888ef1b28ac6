package stack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/deploy/eventsource"
	"sluice/deploy/internal/deadletters"
	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
	"sluice/pipeline"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// TestEachMessageOfABatchHasItsOwnOutcome: good, failing, panicking, unknown and
// malformed messages in one batch of ten.
func TestEachMessageOfABatchHasItsOwnOutcome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // removed outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		calls := make(map[string]int) // of the order's step, unsynchronised: PARALLEL is 1
		s := stacktest.Open(t, func(o *stack.Options) {
			o.Dir = dir
			o.Environ["PARALLEL"] = "1"
			o.OrderStep = func(_ context.Context, order schema.Order) error {
				calls[order.ID]++
				switch {
				case order.ID == "explodes":
					panic("boom")
				case order.ID == "fails-once" && calls[order.ID] == 1:
					return fmt.Errorf("the warehouse does not respond")
				}
				return nil
			}
		})
		order := func(id string) pipeline.Message {
			return stacktest.Message(t, "m-"+id, schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: id})
		}
		good := []pipeline.Message{order("1"), order("2"), order("3"), order("4"), order("5"), order("6")}
		unknown := stacktest.Message(t, "m-unknown", "make-coffee", nil)
		malformed := stacktest.Message(t, "m-malformed", schema.TypeOrderProcessing, "not an order")
		stacktest.Send(t, s, append(good, order("explodes"), order("fails-once"), unknown, malformed)...)

		// The first invocation, before a retry.
		synctest.Wait()
		for _, id := range []string{"m-1", "m-2", "m-3", "m-4", "m-5", "m-6"} {
			if out, ok := s.LastOutcome(id); !ok || out.Error != "" || out.Attempt != 1 {
				t.Errorf("after the first invocation, message %s: got %+v, want it done at attempt 1", id, out)
			}
		}
		if out, _ := s.LastOutcome("m-fails-once"); out.Error == "" || out.Attempt != 1 {
			t.Errorf("message m-fails-once: got %+v, want it failed at attempt 1", out)
		}
		if err := stacktest.Settle(t.Context(), s.Client(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if out, _ := s.LastOutcome("m-fails-once"); out.Error != "" || out.Attempt != 2 {
			t.Errorf("message m-fails-once: got %+v, want it done at attempt 2", out)
		}
		const maxAttempts = setup.MaxAttempts // the default
		for id, want := range map[string]int{"explodes": maxAttempts, "fails-once": 2, "1": 1} {
			if calls[id] != want {
				t.Errorf("order %s: the step ran %d times, want %d", id, calls[id], want)
			}
		}
		deadLetters, err := s.Client().DeadLetters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]deadletters.DeadLetter)
		for _, l := range deadLetters {
			got[l.Cause] = l
		}
		for cause, want := range map[string]deadletters.DeadLetter{
			"m-explodes":  {Attempts: strconv.Itoa(maxAttempts), Reason: "panic: boom"},
			"m-unknown":   {Attempts: "1", Reason: `unknown message type "make-coffee"`},
			"m-malformed": {Attempts: "1", Reason: "got a JSON string, want an object"},
		} {
			l := got[cause]
			if l.Worker != "messages" || l.Queue != "jobs-dead" || l.Attempts != want.Attempts || !strings.Contains(l.Reason, want.Reason) || l.Time == "" {
				t.Errorf("dead letter of %s: got %+v, want worker messages, %s attempts, a time and reason %q", cause, l, want.Attempts, want.Reason)
			}
		}
		if len(deadLetters) != 3 {
			t.Errorf("dead letters: got %d, want 3", len(deadLetters))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestIdleStackChangesNothing: without work there is no change and no
// notification.
func TestIdleStackChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := stacktest.Open(t, func(o *stack.Options) { o.Dir = dir })
		stacktest.Send(t, s, stacktest.Message(t, "m", schema.TypeUserRegistration, schema.UserRegistration{Email: "ann@example.com", Name: "Ann"}))
		if err := stacktest.Settle(t.Context(), s.Client(), time.Hour); err != nil {
			t.Fatal(err)
		}
		before, err := s.Records().Feed().Last(t.Context())
		if err != nil || before == "" {
			t.Fatalf("changes: got %q, %v, want some", before, err)
		}
		ids := stacktest.SentIDs(t, dir)
		time.Sleep(time.Minute)
		after, err := s.Records().Feed().Last(t.Context())
		if err != nil || after != before {
			t.Errorf("after an idle minute: last change %q, %v, want still %q", after, err, before)
		}
		if got := stacktest.SentIDs(t, dir); len(got) != 1 || fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("notifications: got %v, want the one welcome %v", got, ids)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestFilesWithCredentialsAreTheOwners: no other user reads credentials.
func TestFilesWithCredentialsAreTheOwners(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stacktest.Open(t, func(o *stack.Options) { o.Dir = dir })
	for _, name := range []string{admin.RuntimeFile, stack.KeysFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", name, info.Mode().Perm())
		}
	}
}

// TestLeftoversAreRemoved: the next start removes files that a killed process was
// writing, the runtime info file of an earlier commit, and nothing else.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "thumbnails"), 0o700); err != nil {
		t.Fatal(err)
	}
	leftovers := []string{admin.RuntimeFile + ".tmp123", stack.KeysFile + ".tmp456", "thumbnails/.thumbnail789", "address.json", "address.json.tmp789"}
	kept := []string{"address.txt", "keys.json.old", "thumbnails/photo.jpg", "thumbnails/.hidden"}
	for _, name := range append(leftovers, kept...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stacktest.Open(t, func(o *stack.Options) { o.Dir = dir })
	for _, name := range leftovers {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want it gone", name, err)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSettingsAreCheckedAtTheStart: the error of Open names every variable with a
// problem.
func TestSettingsAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	o := stacktest.Options(t.TempDir())
	o.Environ = map[string]string{"THUMBNAIL_SIZES": "huge", "MAX_ATTEMPTS": "many"}
	_, err := stack.Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "THUMBNAIL_SIZES") || !strings.Contains(err.Error(), "MAX_ATTEMPTS") {
		t.Errorf("got %v, want every setting with a problem", err)
	}
}

// TestCloseNamesUnfinishedWork: Close ends at the drain limit and names the
// message in progress.
func TestCloseNamesUnfinishedWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begun, release := make(chan struct{}, 1), make(chan struct{})
		o := stacktest.Options(dir)
		o.DrainLimit = 5 * time.Second
		o.OrderStep = func(context.Context, schema.Order) error {
			begun <- struct{}{}
			<-release
			return nil
		}
		s, err := stack.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		stacktest.Send(t, s, stacktest.Message(t, "m", schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: "1"}))
		<-begun
		start := time.Now()
		err = s.Close()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("closed after %v, want the drain limit of 5s", took)
		}
		left, ok := errors.AsType[*eventsource.LeftError](err)
		if !ok || len(left.IDs) != 1 {
			t.Errorf("error: got %v, want a *LeftError with the message in progress", err)
		}
		close(release)
		synctest.Wait()
	})
}

// TestRestartKeepsDelays restarts while the delay of RetryAfter runs.
func TestRestartKeepsDelays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), []time.Duration(nil)
		open := func() *stack.Stack {
			o := stacktest.Options(dir)
			o.OrderStep = func(context.Context, schema.Order) error {
				if calls = append(calls, time.Since(began)); len(calls) == 1 {
					return pipeline.RetryAfter(errors.New("the warehouse is busy"), time.Hour)
				}
				return nil
			}
			s, err := stack.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		stacktest.Send(t, s, stacktest.Message(t, "m", schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: "1"}))
		for range 3 {
			time.Sleep(10 * time.Minute)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = open()
		}
		time.Sleep(2 * time.Hour)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if len(calls) != 2 || calls[1] < time.Hour {
			t.Errorf("the step ran at %v, want the second not before an hour", calls)
		}
	})
}

// request sends a request without a signature and returns the response.
func request(t *testing.T, method, url, target, body string) (code int, response string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestRequestsNeedCredentials: S3 and SQS need a signature unless the stack is
// open, and the admin API needs its token always.
func TestRequestsNeedCredentials(t *testing.T) {
	t.Parallel()
	locked := stacktest.Open(t, stacktest.Listen)
	open := stacktest.Open(t, func(o *stack.Options) {
		stacktest.Listen(o)
		o.Open = true
	})
	for _, tt := range []struct {
		method, path, target, body string
		code                       int    // of the locked stack
		response                   string // of the locked stack
		open                       int    // code of the open stack
	}{
		{http.MethodPut, "/uploads/a.txt", "", "hello", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodGet, "/uploads", "", "", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodGet, "/uploads/a.txt", "", "", 403, "<Code>AccessDenied</Code>", 200},
		{http.MethodDelete, "/uploads/a.txt", "", "", 403, "<Code>AccessDenied</Code>", 204},
		{http.MethodPost, "/", "AmazonSQS.ListQueues", "{}", 403, "MissingAuthenticationToken", 200},
		{http.MethodGet, admin.Prefix + "idle", "", "", 401, admin.RuntimeFile, 401},
		{http.MethodGet, admin.Prefix + "changes?after=", "", "", 401, admin.RuntimeFile, 401},
		{http.MethodPost, admin.Prefix + "status", "", `{"key":"user#a@example.com","status":"active"}`, 401, admin.RuntimeFile, 401},
	} {
		code, response := request(t, tt.method, locked.Runtime().URL+tt.path, tt.target, tt.body)
		if code != tt.code || !strings.Contains(response, tt.response) {
			t.Errorf("%s %s%s without a signature: got %d %s, want %d and %q", tt.method, tt.path, tt.target, code, response, tt.code, tt.response)
		}
		if code, response := request(t, tt.method, open.Runtime().URL+tt.path, tt.target, tt.body); code != tt.open {
			t.Errorf("%s %s%s at an open stack: got %d %s, want %d", tt.method, tt.path, tt.target, code, response, tt.open)
		}
	}
}

// TestPresignedURLExpires: a presigned URL is refused after its expiry.
func TestPresignedURLExpires(t *testing.T) {
	t.Parallel()
	s := stacktest.Open(t, stacktest.Listen)
	presigned := func(at time.Time) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.Runtime().URL+"/uploads/a.txt?X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		url, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: s.Runtime().AccessKey, SecretAccessKey: s.Runtime().SecretKey},
			req, "UNSIGNED-PAYLOAD", "s3", admin.Region, at)
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	if code, response := request(t, http.MethodPut, presigned(time.Now().Add(-50*time.Second)), "", "hello"); code != 200 {
		t.Errorf("before the expiry: got %d %s", code, response)
	}
	if code, response := request(t, http.MethodPut, presigned(time.Now().Add(-70*time.Second)), "", "hello"); code != 403 || !strings.Contains(response, "expired") {
		t.Errorf("after the expiry: got %d %s, want 403", code, response)
	}
}
