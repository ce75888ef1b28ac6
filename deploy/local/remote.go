package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// remote is a home as the commands see it: over loopback, also where it lives in
// the same process.
type remote struct {
	address
	clients
	http *http.Client
}

// newRemote speaks to the home at a through transport; nil is the network.
func newRemote(a address, transport http.RoundTripper) *remote {
	if transport == nil {
		transport = newTransport()
	}
	return &remote{address: a, clients: newClients(a, transport), http: &http.Client{Timeout: 30 * time.Second, Transport: transport}}
}

// errUnknown is what the home answers about what it does not know.
var errUnknown = errors.New("not known")

// ask calls one of the home's own commands and decodes its answer into out.
func (r *remote) ask(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL+controlPrefix+path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.Token)
	res, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the home at %s: %w", r.URL, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return json.NewDecoder(res.Body).Decode(out)
	}
	var failed struct{ Error string }
	if err := json.NewDecoder(res.Body).Decode(&failed); err != nil || failed.Error == "" {
		failed.Error = res.Status
	}
	if res.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s: %w", failed.Error, errUnknown)
	}
	return errors.New(failed.Error)
}

func (r *remote) idle(ctx context.Context) (out idleness, err error) {
	return out, r.ask(ctx, http.MethodGet, "idle", nil, nil, &out)
}

// changes waits about a second for changes after a position.
func (r *remote) changes(ctx context.Context, after string) (out seenChanges, err error) {
	return out, r.ask(ctx, http.MethodGet, "changes", url.Values{"after": {after}}, nil, &out)
}

func (r *remote) sent(ctx context.Context, ids []string) (map[string]bool, error) {
	out := make(map[string]bool)
	const most = 100
	for len(ids) > 0 {
		n := min(len(ids), most)
		if err := r.ask(ctx, http.MethodGet, "notifications", url.Values{"id": ids[:n]}, nil, &out); err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return out, nil
}

// outcome waits about a second for what came of a message; errUnknown if it is
// not known yet.
func (r *remote) outcome(ctx context.Context, id string) (out outcome, err error) {
	return out, r.ask(ctx, http.MethodGet, "outcome", url.Values{"id": {id}}, nil, &out)
}

func (r *remote) setStatus(ctx context.Context, key, status string) (out statusChange, err error) {
	return out, r.ask(ctx, http.MethodPost, "status", nil, map[string]string{"key": key, "status": status}, &out)
}
