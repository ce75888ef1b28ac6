package sqsserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local/sigv4"
	"sluice/deploy/local/store"
)

// awsCLIs returns the AWS CLIs that start: that of the path and Debian's, which
// may be older than the JSON protocol. problems has those that do not start.
func awsCLIs(ctx context.Context) (found, problems []string) {
	var paths []string
	if path, err := exec.LookPath("aws"); err == nil {
		paths = append(paths, path)
	}
	const debian = "/usr/bin/aws"
	if _, err := os.Stat(debian); err == nil && !slices.Contains(paths, debian) {
		paths = append(paths, debian)
	}
	for _, path := range paths {
		cmd := exec.CommandContext(ctx, path, "--version")
		cmd.Env = cliEnv()
		if out, err := cmd.CombinedOutput(); err != nil {
			problems = append(problems, fmt.Sprintf("%s --version: %v: %.200s", path, err, out))
			continue
		}
		found = append(found, path)
	}
	return found, problems
}

// cliEnv is the environment without the settings of the machine that could lead a
// client elsewhere, and with env.
func cliEnv(env ...string) []string {
	out := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasSuffix(name, "_PROXY") || strings.HasSuffix(name, "_CA_BUNDLE") || name == "SSL_CERT_FILE"
	})
	return append(out, append(env, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=")...)
}

// TestAWSCLI sends, receives and deletes with each AWS CLI of the machine. The
// requests are signed and verified.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	found, problems := awsCLIs(t.Context())
	for _, p := range problems {
		t.Logf("an aws CLI does not start: %s", p)
	}
	if len(found) == 0 {
		t.Skipf("no aws CLI starts on this machine %v", problems)
	}
	for _, aws := range found {
		t.Run(strings.ReplaceAll(aws, "/", "_"), func(t *testing.T) {
			t.Parallel()
			service := newService(t, store.Options{NoSync: true})
			var mu sync.Mutex
			kinds := map[string]int{}
			creds := sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", Region: "us-east-1"}
			srv := httptest.NewServer(sigv4.Require(creds, sigv4.Options{Service: "sqs"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				kinds[r.Header.Get("Content-Type")]++
				mu.Unlock()
				service.ServeHTTP(w, r)
			})))
			t.Cleanup(srv.Close)
			run := func(secret string, args ...string) (string, error) {
				cmd := exec.CommandContext(t.Context(), aws, append([]string{"--endpoint-url", srv.URL, "--output", "json", "sqs"}, args...)...)
				cmd.Env = cliEnv("AWS_ACCESS_KEY_ID="+creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1")
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			ask := func(to any, args ...string) {
				t.Helper()
				out, err := run(creds.SecretAccessKey, args...)
				if err == nil && to != nil {
					err = json.Unmarshal([]byte(out), to)
				}
				if err != nil {
					t.Fatalf("aws sqs %s: %v\n%s", args[0], err, out)
				}
			}
			var queue struct{ QueueUrl string }
			ask(&queue, "create-queue", "--queue-name", "jobs")
			const body = `{"type":"a b","text":"<é&=+%>"}`
			var sent struct{ MessageId, MD5OfMessageBody string }
			ask(&sent, "send-message", "--queue-url", queue.QueueUrl, "--message-body", body, "--message-attributes", `{"n":{"DataType":"Number","StringValue":"7"}}`)
			var got struct {
				Messages []struct {
					MessageId, ReceiptHandle, Body string
					MessageAttributes              map[string]struct{ DataType, StringValue string }
					Attributes                     map[string]string
				}
			}
			ask(&got, "receive-message", "--queue-url", queue.QueueUrl, "--attribute-names", "All", "--message-attribute-names", "All")
			if len(got.Messages) != 1 || got.Messages[0].Body != body || got.Messages[0].MessageId != sent.MessageId ||
				got.Messages[0].MessageAttributes["n"].StringValue != "7" || got.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
				t.Fatalf("sent %+v, received %+v", sent, got)
			}
			ask(nil, "delete-message", "--queue-url", queue.QueueUrl, "--receipt-handle", got.Messages[0].ReceiptHandle)
			if st, err := service.QueueStats("jobs"); err != nil || st.Ready+st.InFlight != 0 {
				t.Errorf("after the delete: %+v, %v", st, err)
			}
			for what, f := range map[string]func() (string, error){
				"NonExistentQueue": func() (string, error) {
					return run(creds.SecretAccessKey, "get-queue-url", "--queue-name", "none")
				},
				"SignatureDoesNotMatch|InvalidSignature": func() (string, error) { return run("wrong", "list-queues") },
			} {
				out, err := f()
				names := false
				for word := range strings.SplitSeq(what, "|") {
					names = names || strings.Contains(out, word)
				}
				if err == nil || !names {
					t.Errorf("want the error %s, got %v: %s", what, err, out)
				}
			}
			t.Logf("%s sends %v", aws, kinds)
		})
	}
}
