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
	"strings"
	"time"

	"sluice/pipeline"
	"sluice/workers/schema"
)

const (
	stepTimeout     = 20 * time.Second
	stepRetry       = 30 * time.Second // after a 429 or 503 without Retry-After
	maxStepWait     = time.Hour        // for a Retry-After
	maxStepResponse = 4 << 10
)

// postStep returns a Step that posts the order as JSON to endpoint, with a key of
// the order as Idempotency-Key. A status 2xx completes the order. 408, 409, 425,
// 429 and 5xx are retried, after Retry-After, which is limited to an hour. Any
// other status fails the order, with the response as its reason. Redirects are
// not followed. Errors do not contain the URL, which may hold a key.
func postStep(endpoint string) Step {
	client := &http.Client{
		Timeout:       stepTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, o schema.Order) error {
		order, err := json.Marshal(o)
		if err != nil {
			return pipeline.Permanent(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(order))
		if err != nil {
			return withoutURL(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", pipeline.DeriveID("order", o.Email, o.ID, o.Cause))
		res, err := client.Do(req)
		if err != nil {
			return withoutURL(err)
		}
		defer res.Body.Close()
		// A body that ends early does not change the meaning of the status.
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxStepResponse))
		return judgeStep(res, body)
	}
}

// withoutURL removes the URL from an error of package net/http.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return fmt.Errorf("post to ORDER_ENDPOINT: %w", err)
}

func judgeStep(res *http.Response, body []byte) error {
	err := fmt.Errorf("ORDER_ENDPOINT responded with status %s: %s", res.Status, strings.ToValidUTF8(string(bytes.TrimSpace(body)), "\uFFFD"))
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
