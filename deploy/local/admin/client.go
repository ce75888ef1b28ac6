package admin

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

	"sluice/deploy/internal/addresses"
)

// Client talks to the local stack over loopback, also where the stack runs in
// the same process. Safe for concurrent use.
type Client struct {
	Runtime
	Clients
	http *http.Client
}

// NewClient returns a client of the stack at r. A nil transport is
// [NewTransport].
func NewClient(r Runtime, transport http.RoundTripper) *Client {
	if transport == nil {
		transport = NewTransport()
	}
	return &Client{Runtime: r, Clients: NewClients(r, transport), http: &http.Client{Timeout: 30 * time.Second, Transport: transport}}
}

// ErrUnknown is in the error of a request about a thing that the stack does
// not know.
var ErrUnknown = errors.New("not known")

// do sends a request to the admin API and decodes the response into out.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+Prefix+path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("admin API of the local stack at %s: %w", c.URL, err)
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
		return fmt.Errorf("%s: %w", failed.Error, ErrUnknown)
	}
	return errors.New(failed.Error)
}

// Idle returns what is queued, in flight or unread.
func (c *Client) Idle(ctx context.Context) (out Idle, err error) {
	return out, c.do(ctx, http.MethodGet, "idle", nil, nil, &out)
}

// Changes returns the changes after a position; it waits about a second for
// the first. The position "now" returns no change and the last position.
func (c *Client) Changes(ctx context.Context, after string) (out Changes, err error) {
	return out, c.do(ctx, http.MethodGet, "changes", url.Values{"after": {after}}, nil, &out)
}

// Sent reports which notifications were sent, by id.
func (c *Client) Sent(ctx context.Context, ids []string) (map[string]bool, error) {
	out := make(map[string]bool)
	const most = 100
	for len(ids) > 0 {
		n := min(len(ids), most)
		if err := c.do(ctx, http.MethodGet, "notifications", url.Values{"id": ids[:n]}, nil, &out); err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return out, nil
}

// Outcome returns the last outcome of a message; it waits about a second for
// one. The error is ErrUnknown where there is none yet.
func (c *Client) Outcome(ctx context.Context, id string) (out Outcome, err error) {
	return out, c.do(ctx, http.MethodGet, "outcome", url.Values{"id": {id}}, nil, &out)
}

// Record returns the data of a record.
func (c *Client) Record(ctx context.Context, key string) (out json.RawMessage, err error) {
	return out, c.do(ctx, http.MethodGet, "record", url.Values{"key": {key}}, nil, &out)
}

// Status returns the state of the stack.
func (c *Client) Status(ctx context.Context) (out Status, err error) {
	return out, c.do(ctx, http.MethodGet, "stack", nil, nil, &out)
}

// Records returns a page of records whose keys begin with prefix and follow
// after.
func (c *Client) Records(ctx context.Context, prefix, after string) (out Records, err error) {
	return out, c.do(ctx, http.MethodGet, "records", url.Values{"prefix": {prefix}, "after": {after}}, nil, &out)
}

// Create creates a record. It fails where the key has one.
func (c *Client) Create(ctx context.Context, key string, data json.RawMessage) error {
	return c.do(ctx, http.MethodPost, "records", nil, Record{Key: key, Data: data}, new(json.RawMessage))
}

// MigrateAddresses moves records to the keys of normalised addresses.
func (c *Client) MigrateAddresses(ctx context.Context) (out addresses.Report, err error) {
	return out, c.do(ctx, http.MethodPost, "migrate-addresses", nil, nil, &out)
}

// SetStatus sets the status of a record.
func (c *Client) SetStatus(ctx context.Context, key, status string) (out StatusChange, err error) {
	return out, c.do(ctx, http.MethodPost, "status", nil, map[string]string{"key": key, "status": status}, &out)
}
