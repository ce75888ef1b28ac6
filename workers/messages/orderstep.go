package messages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"sluice/pipeline"
	"sluice/workers/schema"
)

const (
	stepTimeout   = 20 * time.Second
	stepRetry     = 30 * time.Second // where a 429 or 503 does not say
	maxStepAnswer = 4 << 10
)

// PostStep posts the order as JSON to url, with its identity as
// Idempotency-Key. 2xx is done. 408, 409, 425, 429 and 5xx come again, when
// Retry-After says so. Any other answer fails the order, with what it said as
// reason. Redirects are not followed.
func PostStep(url string) Step {
	client := &http.Client{
		Timeout:       stepTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, o schema.Order) error {
		body, err := json.Marshal(o)
		if err != nil {
			return pipeline.Permanent(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", pipeline.DeriveID("order", o.Email, o.ID, o.Cause))
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		said, err := io.ReadAll(io.LimitReader(res.Body, maxStepAnswer))
		if err != nil {
			return err
		}
		return judgeStep(res, bytes.TrimSpace(said))
	}
}

func judgeStep(res *http.Response, said []byte) error {
	err := fmt.Errorf("the order's endpoint answered %s: %s", res.Status, said)
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		wait := stepRetry
		if s, bad := strconv.Atoi(res.Header.Get("Retry-After")); bad == nil && s > 0 && s <= 3600 {
			wait = time.Duration(s) * time.Second
		}
		return pipeline.RetryAfter(err, wait)
	case code/100 == 5 || code == http.StatusRequestTimeout || code == http.StatusConflict || code == http.StatusTooEarly:
		return err
	default:
		return pipeline.Permanent(err)
	}
}
