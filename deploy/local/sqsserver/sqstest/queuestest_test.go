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

// deaf is an engine that answers nothing.
var deaf = Target{With: func(t *testing.T, check func(*testing.T, *sqs.Client)) {
	check(t, sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.test"), Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1, HTTPClient: noEngine{},
	}))
}}

type noEngine struct{}

func (noEngine) Do(*http.Request) (*http.Response, error) { return nil, errors.New("nobody is there") }

const envChild = "SLUICE_QUEUESTEST_CHILD"

// TestChild is the child of TestDeparturesAreHeld: a departed case that fails, one that passes, and one that cannot be looked at.
func TestChild(t *testing.T) {
	if os.Getenv(envChild) == "" {
		t.Skip("only runs as a child of TestDeparturesAreHeld")
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
			deaf.With(t, func(t *testing.T, client *sqs.Client) {
				c.runDeparted(t, &deaf, client, Departure{Why: "does " + c.Name})
			})
		})
	}
}

// TestDeparturesAreHeld looks at what becomes of cases that are listed as departures.
func TestDeparturesAreHeld(t *testing.T) {
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
		"--- SKIP: TestChild/fails ", "departs: does fails;", "nobody is there",
		"--- SKIP: TestChild/fails_beside ", "seen: seen beside",
		"--- FAIL: TestChild/passes ", "no longer departs: the case passes, and is listed as: does passes",
		"--- SKIP: TestChild/sleeps ", "too slow: 7; listed as: departs: does sleeps",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
}

// TestDeparturesCiteAWS: who doubts a departure finds the rule.
func TestDeparturesCiteAWS(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`^(APIReference/[A-Za-z_]+|SQSDeveloperGuide/[a-z-]+)\.html$`)
	for name, d := range ElasticMQ {
		if !known(name) || d.Why == "" || d.At == "" || !page.MatchString(d.Page) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
