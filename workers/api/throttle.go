package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/pipeline"
	"sluice/pipeline/httpevent"
)

// attempts is the data of an item throttle#... in table state: the attempts of a
// window. The item expires with the window.
type attempts struct {
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// throttleTries is how often an attempt is counted again after a conflict.
const throttleTries = 10

// throttle counts an attempt for an e-mail address and for the client, and
// returns a 429 if one of them has had too many in its window. All copies of the
// worker share the counts.
func (w *Worker) throttle(ctx context.Context, email string) error {
	for _, limit := range []struct {
		name string
		most int
	}{{"client#" + clientOf(ctx), w.config.AuthPerClient}, {"address#" + email, w.config.AuthPerAddress}} {
		wait, err := w.count(ctx, pipeline.Key{PK: "throttle#" + limit.name, SK: "-"}, limit.most)
		if err != nil {
			return err
		}
		if wait > 0 {
			seconds := int64((wait + time.Second - 1) / time.Second)
			return huma.ErrorWithHeaders(huma.Error429TooManyRequests("too many attempts: try again later"),
				http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}})
		}
	}
	return nil
}

// count counts an attempt and returns how long to wait if there were most in the
// window already. Many attempts at once are too many.
func (w *Worker) count(ctx context.Context, key pipeline.Key, most int) (time.Duration, error) {
	it, err := w.state.Get(ctx, key)
	exists := err == nil
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return 0, err
	}
	for range throttleTries {
		now := time.Now()
		condition := pipeline.Absent()
		window := attempts{Until: now.Add(w.config.AuthWindow)}
		if exists {
			condition = pipeline.AtVersion(it.Version)
			var current attempts
			if err := it.Decode(&current); err != nil {
				return 0, err
			}
			if now.Before(current.Until) {
				window = current
			}
		}
		if window.Count >= most {
			return window.Until.Sub(now), nil
		}
		window.Count++
		data, err := json.Marshal(window)
		if err != nil {
			return 0, err
		}
		_, err = w.state.Put(ctx, pipeline.Item{Key: key, Expires: window.Until.Add(time.Second), Data: data}, condition)
		conflict, ok := errors.AsType[*pipeline.ConflictError](err)
		if !ok {
			return 0, err
		}
		it, exists = conflict.Current, conflict.Exists
	}
	return time.Second, nil
}

type clientKey struct{}

// clientOf returns the client's address: for IPv6 its /64, which one client has.
func clientOf(ctx context.Context) string {
	text, _ := ctx.Value(clientKey{}).(string)
	return text
}

// withClient notes the address of the client that sent r.
func withClient(r *http.Request) context.Context {
	text := ""
	if info, ok := httpevent.FromContext(r.Context()); ok {
		text = info.ClientIP
	} else if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		text = host
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Unmap().Is6() {
		if prefix, err := ip.Prefix(64); err == nil {
			text = prefix.String()
		}
	}
	return context.WithValue(r.Context(), clientKey{}, text)
}
