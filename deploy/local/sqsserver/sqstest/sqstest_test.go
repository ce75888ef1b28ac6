package sqstest

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// unreachable is an engine that does not respond.
var unreachable = Target{With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
	check(t, sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.test"), Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1, HTTPClient: noEngine{},
	}))
}}

type noEngine struct{}

func (noEngine) Do(*http.Request) (*http.Response, error) { return nil, errors.New("no engine") }

const envChild = "SLUICE_SQSTEST_CHILD"

// TestChild is the child of TestDepartedCasesMustFail. It runs departed cases that
// fail, one that passes, and one that is skipped.
func TestChild(t *testing.T) {
	if os.Getenv(envChild) == "" {
		t.Skip("runs only as a child of TestDepartedCasesMustFail")
	}
	for _, c := range []Case{
		{Name: "fails", Check: func(t *T) { t.queue() }},
		{Name: "fails beside", Check: func(t *T) {
			done := make(chan struct{})
			go func() { defer close(done); t.Error("seen beside") }()
			<-done
		}},
		{Name: "passes", Check: func(*T) {}},
		{Name: "sleeps", Check: func(t *T) { t.Skipf("too slow: %d", 7) }},
	} {
		t.Run(c.Name, func(t *testing.T) {
			unreachable.With(t, func(t *testing.T, client *sqs.Client) {
				c.runDeparted(t, &unreachable, client, Departure{Why: "does " + c.Name})
			})
		})
	}
}

func TestDepartedCasesMustFail(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), envChild+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("want a failure because of the case that passes:\n%s", out)
	}
	for _, want := range []string{
		"--- SKIP: TestChild/fails ", "departs: does fails;", "no engine",
		"--- SKIP: TestChild/fails_beside ", "seen: seen beside",
		"--- FAIL: TestChild/passes ", "no longer departs: the case passes, and is listed as: does passes",
		"--- SKIP: TestChild/sleeps ", "too slow: 7; listed as: departs: does sleeps",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
}

func TestDeparturesCiteAWS(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`^(APIReference/[A-Za-z_]+|SQSDeveloperGuide/[a-z-]+)\.html$`)
	for name, d := range ElasticMQ {
		if !known(name) || d.Why == "" || d.At == "" || !page.MatchString(d.Page) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
