package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/dynamotable/dynamotest"
)

// TestContainerServesTheAPI: a registration is stored in DynamoDB, and the server
// ends with the container.
func TestContainerServesTheAPI(t *testing.T) {
	tables := new(dynamotest.Server)
	server := httptest.NewServer(tables)
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_DYNAMODB": server.URL,
	} {
		t.Setenv(name, value)
	}
	c := &container{
		options: options{Functions: []string{"api"}, DrainLimit: 10 * time.Second, Environ: map[string]string{
			"RECORDS_TABLE": "records", "STATE_TABLE": "state", "API_ADDR": "127.0.0.1:0", "BCRYPT_COST": "4",
			"JWT_KEYS": "k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		}},
		log: slog.New(slog.DiscardHandler),
	}
	built, err := c.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.connect(t.Context(), built); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	url := "http://" + c.api.listener.Addr().String()
	res, err := http.Post(url+"/auth/register", "application/json", strings.NewReader(`{"email":"ada@example.com","password":"correct horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusCreated || len(tables.Items("records")) != 1 {
		t.Errorf("got %d %s, %v and %d records, want 201 and one", res.StatusCode, body, err, len(tables.Items("records")))
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(url + "/hello"); err == nil {
		t.Error("after the end: got a response")
	}
}

func TestContainerRunsTheAPIWithAnAddressOnly(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{"": false, "127.0.0.1:0": true} {
		chosen, err := chooseFunctions(nil, addr)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, f := range chosen {
			got = got || f.Source.HTTP
		}
		if got != want {
			t.Errorf("address %q: got the api %v, want %v", addr, got, want)
		}
	}
	c := &container{options: options{Functions: []string{"api"}, Environ: map[string]string{}}}
	if _, err := c.build(t.Context()); err == nil || !strings.Contains(err.Error(), "API_ADDR is required") {
		t.Errorf("got %v, want an error that names API_ADDR", err)
	}
}
