package messages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
)

const (
	stepTimeout     = 20 * time.Second
	stepRetry       = 30 * time.Second // after a 429 or 503 without Retry-After
	maxStepWait     = time.Hour        // for a Retry-After
	maxStepResponse = 4 << 10          // read of the body
	maxStepText     = 300              // of it, in the order's reason
)

// postStep returns a Step that posts the order as JSON to endpoint, with a key of
// the order as Idempotency-Key. A status 2xx completes the order. 408, 409, 425,
// 429 and 5xx are retried, after Retry-After, which is limited to an hour. Any
// other status fails the order, with the beginning of the response as its reason,
// without the parts of the URL that may be keys. Redirects are not followed.
// Errors do not contain the URL, which may hold a key.
func postStep(endpoint string) Step {
	client := &http.Client{
		Timeout:       stepTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, o schema.Order) error {
		u, err := url.Parse(endpoint)
		if err != nil {
			return errors.New("post to ORDER_ENDPOINT: the URL cannot be parsed")
		}
		order, err := json.Marshal(o)
		if err != nil {
			return pipeline.Permanent(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(order))
		if err != nil {
			return stepError(err, u)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", pipeline.DeriveID("order", o.Email, o.ID, o.Cause))
		res, err := client.Do(req)
		if err != nil {
			return stepError(err, u)
		}
		defer res.Body.Close()
		// A body that ends early does not change the meaning of the status.
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxStepResponse))
		return judgeStep(res, body, u)
	}
}

// stepError returns the error of a request without its URL.
func stepError(err error, u *url.URL) error {
	return fmt.Errorf("post to ORDER_ENDPOINT: %w", notify.ProviderError(err, u))
}

// judgeStep returns the error for a response. The text of a status line is the
// endpoint's, so it is not used.
func judgeStep(res *http.Response, body []byte, u *url.URL) error {
	err := fmt.Errorf("ORDER_ENDPOINT responded with status %d %s: %s", res.StatusCode, http.StatusText(res.StatusCode),
		notify.ProviderText(string(body), maxStepText, notify.URLSecrets(u)...))
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 5 || code == http.StatusRequestTimeout || code == http.StatusConflict ||
		code == http.StatusTooEarly || code == http.StatusTooManyRequests:
		if wait := stepWait(res); wait > 0 {
			return pipeline.RetryAfter(err, wait)
		}
		return err
	default:
		return pipeline.Permanent(err)
	}
}

// stepWait returns the wait that a response asks for by its Retry-After or status,
// or 0.
func stepWait(res *http.Response) time.Duration {
	after := res.Header.Get("Retry-After")
	if s, err := strconv.ParseUint(after, 10, 32); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, maxStepWait)
	}
	if at, err := http.ParseTime(after); err == nil && time.Until(at) > 0 {
		return min(time.Until(at), maxStepWait)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		return stepRetry
	}
	return 0
}
