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
	stepTimeout   = 20 * time.Second
	stepRetry     = 30 * time.Second // where a 429 or 503 does not say
	maxStepWait   = time.Hour        // that an answer can ask for
	maxStepAnswer = 4 << 10
)

// postStep posts the order as JSON to endpoint, with its identity as
// Idempotency-Key. 2xx is done. 408, 409, 425, 429 and 5xx come again, not before
// Retry-After says, up to an hour. Any other answer fails the order, with what it
// said as reason. Redirects are not followed. Errors do not tell the URL: it may
// hold a key.
func postStep(endpoint string) Step {
	client := &http.Client{
		Timeout:       stepTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, o schema.Order) error {
		body, err := json.Marshal(o)
		if err != nil {
			return pipeline.Permanent(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
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
		// The status is the answer: what it says beside that may be cut short.
		said, _ := io.ReadAll(io.LimitReader(res.Body, maxStepAnswer))
		return judgeStep(res, said)
	}
}

// withoutURL takes the URL out of what package net/http met.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return fmt.Errorf("post to the order's endpoint: %w", err)
}

func judgeStep(res *http.Response, said []byte) error {
	err := fmt.Errorf("the order's endpoint answered %s: %s", res.Status, strings.ToValidUTF8(string(bytes.TrimSpace(said)), "\uFFFD"))
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

// stepWait is how long an answer asks to wait; 0 where it does not say, and the
// status does not mean to wait.
func stepWait(res *http.Response) time.Duration {
	said := res.Header.Get("Retry-After")
	if s, err := strconv.ParseUint(said, 10, 32); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, maxStepWait)
	}
	if at, err := http.ParseTime(said); err == nil && time.Until(at) > 0 {
		return min(time.Until(at), maxStepWait)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		return stepRetry
	}
	return 0
}
