package setup_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sluice/pipeline"
	"sluice/workers/setup"
	"sluice/workers/setup/setuptest"
)

func TestAWS(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	c, err := setup.AWS(t.Context())
	if err != nil || c.Region != "eu-central-1" || c.BaseEndpoint == nil || *c.BaseEndpoint != "http://127.0.0.1:1" {
		t.Errorf("got %q %v, %v", c.Region, c.BaseEndpoint, err)
	}
	t.Setenv("AWS_PROFILE", "nobody")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	if _, err := setup.AWS(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS configuration: ") {
		t.Errorf("got %v", err)
	}
}

const logLines = "SLUICE_TEST_LOG_LINES"

// TestMain writes lines of a log where it is run for them: the logger reads its
// settings when the process starts.
func TestMain(m *testing.M) {
	if os.Getenv(logLines) != "" {
		writeLines()
		return
	}
	if os.Getenv(memoryLimit) != "" {
		tellMemoryLimit()
		return
	}
	setuptest.Main(m)
}

func writeLines() {
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	ctx = pipeline.WithRecord(ctx, pipeline.Record{ID: "record-1", Source: "queue", Attempt: 2})
	log := setup.Logger("uploads")
	log.InfoContext(ctx, "flat", "n", 1)
	log.WithGroup("g").With("a", "b").InfoContext(ctx, "grouped", "n", 1)
	log.WithGroup("g").WithGroup("h").InfoContext(ctx, "deep", slog.Group("i", "n", 1))
	log.Info("no context")
}

// lines runs this test's binary for its lines of log.
func lines(t *testing.T, environ ...string) (stdout, stderr []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(environ, logLines+"=1")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	return stdout, errs.Bytes()
}

func TestLoggerInLambda(t *testing.T) {
	t.Parallel()
	stdout, stderr := lines(t, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "AWS_LAMBDA_LOG_FORMAT=JSON")
	if len(stderr) != 0 {
		t.Errorf("standard error: %s", stderr)
	}
	want := []string{
		`{"attempt":2,"id":"record-1","level":"INFO","message":"flat","n":1,"requestId":"request-1","source":"queue","worker":"uploads"}`,
		`{"attempt":2,"g":{"a":"b","n":1},"id":"record-1","level":"INFO","message":"grouped","requestId":"request-1","source":"queue","worker":"uploads"}`,
		`{"attempt":2,"g":{"h":{"i":{"n":1}}},"id":"record-1","level":"INFO","message":"deep","requestId":"request-1","source":"queue","worker":"uploads"}`,
		`{"level":"INFO","message":"no context","worker":"uploads"}`,
	}
	var got []string
	for s := bufio.NewScanner(bytes.NewReader(stdout)); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, s.Bytes())
		}
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(line["timestamp"])); err != nil {
			t.Error(err)
		}
		delete(line, "timestamp")
		b, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoggerOnATerminal(t *testing.T) {
	t.Parallel()
	stdout, stderr := lines(t, "AWS_LAMBDA_RUNTIME_API=")
	if len(stdout) != 0 {
		t.Errorf("standard output: %s", stdout)
	}
	for _, want := range []string{
		"msg=flat worker=uploads id=record-1 source=queue attempt=2 n=1\n",
		"msg=grouped worker=uploads id=record-1 source=queue attempt=2 g.a=b g.n=1\n",
		"msg=\"no context\" worker=uploads\n",
	} {
		if !bytes.Contains(stderr, []byte(want)) {
			t.Errorf("%q is not in %s", want, stderr)
		}
	}
}
