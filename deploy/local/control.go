package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/deploy/eventsource"
	"sluice/deploy/local/sqsserver"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/schema"
)

// The home's own commands, for the other processes that share its folder. All
// but hello are JSON, and want the token of the address file.
//
//	GET  hello?nonce=TEXT        a proof that this is the home, see address.prove
//	GET  idle                    what is still on its way
//	GET  changes?after=SEQUENCE  what changed since, with the notifications that follow
//	GET  outcome?id=ID           what came of a message; waits a little
//	GET  notifications?id=ID...  which of them were sent
//	GET  record?key=KEY          a record
//	POST status                  {"key", "status"}: change a record's status
func (h *home) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+controlPrefix+path, func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(token), []byte(h.address.Token)) != 1 {
				http.Error(w, "the token of "+addressFile+" is wanted", http.StatusUnauthorized)
				return
			}
			h.door.welcome(r)
			v, err := f(r)
			answerJSON(w, v, err)
		})
	}
	mux.HandleFunc("GET "+controlPrefix+"hello", func(w http.ResponseWriter, r *http.Request) {
		h.door.welcome(r) // who asks this is about to begin
		fmt.Fprint(w, h.address.prove(r.FormValue("nonce")))
	})
	handle("GET idle", func(r *http.Request) (any, error) { return h.idle(r.Context()) })
	handle("GET changes", func(r *http.Request) (any, error) { return h.changes(r.Context(), r.FormValue("after")) })
	handle("GET outcome", func(r *http.Request) (any, error) { return h.waitOutcome(r.Context(), r.FormValue("id")) })
	handle("GET notifications", func(r *http.Request) (any, error) { return h.sent(r.Context(), r.URL.Query()["id"]) })
	handle("GET record", func(r *http.Request) (any, error) {
		it, err := h.records.Get(r.Context(), schema.ParseKeyText(r.FormValue("key")))
		return json.RawMessage(it.Data), err
	})
	handle("POST status", h.setStatus)
	return mux
}

// usageError is the caller's mistake.
type usageError string

func (e usageError) Error() string { return string(e) }

func answerJSON(w http.ResponseWriter, v any, err error) {
	code := http.StatusOK
	if err != nil {
		code = http.StatusInternalServerError
		if _, ok := errors.AsType[usageError](err); ok {
			code = http.StatusBadRequest
		} else if errors.Is(err, pipeline.ErrNotFound) {
			code = http.StatusNotFound
		}
		v = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// idleness is what is still on its way.
type idleness struct {
	Idle   bool              `json:"idle"`
	Queues []sqsserver.Stats `json:"queues"`
	Behind bool              `json:"behind"` // changes wait for their worker
}

func (h *home) idle(ctx context.Context) (idleness, error) {
	out := idleness{Idle: true}
	for _, wq := range workerQueues {
		s, err := h.queues.QueueStats(wq.name)
		if err != nil {
			return out, err
		}
		out.Queues = append(out.Queues, s)
		out.Idle = out.Idle && s.Ready+s.InFlight+s.Delayed == 0
	}
	var err error
	if out.Behind, err = h.behind(ctx); err != nil {
		return out, err
	}
	out.Idle = out.Idle && !out.Behind
	return out, nil
}

// behind reports whether the changes worker has not seen all changes yet.
func (h *home) behind(ctx context.Context) (bool, error) {
	feed := h.records.Feed()
	last, err := feed.Last(ctx)
	if err != nil || last == "" {
		return false, err
	}
	shards, err := feed.Shards(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range shards {
		reached, err := h.reached.Load(ctx, s.ID)
		if err != nil || reached < last {
			return true, err
		}
	}
	return false, nil
}

// seenChange is one change of a record, and what follows from it.
type seenChange struct {
	Sequence      string                `json:"sequence"`
	Key           string                `json:"key"`
	Old           map[string]any        `json:"old,omitempty"`
	New           map[string]any        `json:"new,omitempty"`
	Notifications []notify.Notification `json:"notifications,omitempty"`
	Jobs          []string              `json:"jobs,omitempty"` // ids of the messages that follow
}

// seenChanges is a page of changes; Last is where the next one begins.
type seenChanges struct {
	Last    string       `json:"last"`
	Changes []seenChange `json:"changes"`
}

// changes returns what changed after a position. "now" is the position behind
// the last change there is.
func (h *home) changes(ctx context.Context, after string) (seenChanges, error) {
	feed := h.records.Feed()
	if after == "now" {
		last, err := feed.Last(ctx)
		return seenChanges{Last: last}, err
	}
	out := seenChanges{Last: after, Changes: []seenChange{}}
	shards, err := feed.Shards(ctx)
	if err != nil {
		return out, err
	}
	for _, s := range shards {
		page, err := feed.Read(ctx, s.ID, after, 100)
		if err != nil {
			return out, err
		}
		for _, r := range page.Records {
			c, err := h.seen(ctx, r)
			if err != nil {
				return out, err
			}
			out.Changes, out.Last = append(out.Changes, c), r.Sequence
		}
	}
	return out, nil
}

func (h *home) seen(ctx context.Context, r eventsource.FeedRecord) (seenChange, error) {
	event := []byte(`{"Records":[` + string(r.JSON) + `]}`)
	batch, err := lambdaevent.Decode(event, lambdaevent.DynamoDBStream)
	if err != nil {
		return seenChange{}, err
	}
	c, notifications, err := h.workers.changes.Notifications(batch.Records[0])
	out := seenChange{Sequence: r.Sequence, Key: c.Key, Old: c.Old, New: c.New, Notifications: notifications}
	if err != nil {
		h.log.WarnContext(ctx, "rules on a change", "sequence", r.Sequence, "error", err)
	}
	jobs, err := h.workers.changes.Jobs(ctx, batch.Records[0])
	if err != nil {
		h.log.WarnContext(ctx, "jobs of a change", "sequence", r.Sequence, "error", err)
	}
	for _, m := range jobs {
		out.Jobs = append(out.Jobs, m.ID)
	}
	return out, nil
}

// waitOutcome waits up to a second for what came of a message.
func (h *home) waitOutcome(ctx context.Context, id string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		out, ok, news := h.outcome.get(id)
		if ok {
			return out, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return out, fmt.Errorf("message %q: %w", id, pipeline.ErrNotFound)
		}
	}
}

// sent tells which notifications were sent: those whose claim is complete.
func (h *home) sent(ctx context.Context, ids []string) (map[string]bool, error) {
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		done, err := h.workers.notifications.Sent(ctx, id)
		if err != nil {
			return nil, err
		}
		out[id] = done
	}
	return out, nil
}

// statusChange is what set-status did.
type statusChange struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

func (h *home) setStatus(r *http.Request) (any, error) {
	var want struct{ Key, Status string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10)).Decode(&want); err != nil {
		return nil, usageError("body: " + err.Error())
	}
	if want.Key == "" || want.Status == "" {
		return nil, usageError("key and status are wanted")
	}
	out := statusChange{Key: want.Key, To: want.Status}
	_, err := pipeline.Update(r.Context(), h.records, schema.ParseKeyText(want.Key), func(current schema.Change, exists bool) (any, error) {
		if !exists {
			return nil, fmt.Errorf("record %q: %w", want.Key, pipeline.ErrNotFound)
		}
		out.From = current.Status
		if current.Status == want.Status {
			return nil, nil
		}
		return map[string]any{"status": want.Status, "at": time.Now().UTC().Truncate(time.Millisecond)}, nil
	})
	return out, err
}
