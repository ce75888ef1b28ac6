package stack

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
	"sluice/deploy/functions"
	"sluice/deploy/internal/addresses"
	"sluice/deploy/local/admin"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/schema"
)

// maxAdminBody bounds the body of a request to the admin API, in bytes.
const maxAdminBody = 64 << 10

// adminAPI serves the commands of other processes. Requests and responses are
// JSON and need the token of the runtime info file, except for hello.
//
//	GET  hello?nonce=TEXT        the HMAC of the nonce under the token
//	GET  idle                    whether anything is queued, in flight or unread
//	GET  changes?after=SEQUENCE  later changes, with the notifications that follow
//	GET  outcome?id=ID           the last outcome of a message; waits up to a second
//	GET  notifications?id=ID...  which of them were sent
//	GET  record?key=KEY          a record
//	POST status                  {"key", "status"}: set a record's status
//	GET  records?prefix=&after=  a page of records
//	POST records                 {"key", "data"}: create a record
//	POST migrate-addresses       move records to the keys of normalised addresses
//	GET  stack                   counts of everything
func (s *Stack) adminAPI() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+admin.Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(token), []byte(s.runtime.Token)) != 1 {
				http.Error(w, "the token of "+admin.RuntimeFile+" is required", http.StatusUnauthorized)
				return
			}
			s.inFlight.noteCommand(r)
			v, err := f(r)
			respondJSON(w, v, err)
		})
	}
	mux.HandleFunc("GET "+admin.Prefix+"hello", func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.noteCommand(r) // its command is about to begin
		fmt.Fprint(w, s.runtime.Proof(r.FormValue("nonce")))
	})
	handle("GET idle", func(r *http.Request) (any, error) { return s.idle(r.Context()) })
	handle("GET changes", func(r *http.Request) (any, error) { return s.changes(r.Context(), r.FormValue("after")) })
	handle("GET outcome", func(r *http.Request) (any, error) { return s.outcome(r.Context(), r.FormValue("id")) })
	handle("GET notifications", func(r *http.Request) (any, error) { return s.sent(r.Context(), r.URL.Query()["id"]) })
	handle("GET record", func(r *http.Request) (any, error) {
		it, err := s.records.Get(r.Context(), schema.ParseKeyText(r.FormValue("key")))
		return json.RawMessage(it.Data), err
	})
	handle("POST status", s.setStatus)
	handle("GET records", func(r *http.Request) (any, error) {
		return s.listRecords(r.Context(), r.FormValue("prefix"), r.FormValue("after"))
	})
	handle("POST records", s.createRecord)
	handle("POST migrate-addresses", func(r *http.Request) (any, error) {
		return addresses.Migrate(r.Context(), s.records.Scan(r.Context(), pipeline.Key{}), s.records)
	})
	handle("GET stack", func(r *http.Request) (any, error) { return s.status(r.Context()) })
	return mux
}

// usageError is a mistake in a request.
type usageError string

func (e usageError) Error() string { return string(e) }

func respondJSON(w http.ResponseWriter, v any, err error) {
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
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func (s *Stack) idle(ctx context.Context) (admin.Idle, error) {
	out := admin.Idle{Idle: true}
	for _, f := range functions.Mapped() {
		if f.Source.Queue == "" {
			continue
		}
		stats, err := s.queues.QueueStats(f.Source.Queue)
		if err != nil {
			return out, err
		}
		out.Queues = append(out.Queues, stats)
		out.Idle = out.Idle && stats.Ready+stats.InFlight+stats.Delayed == 0
	}
	var err error
	if out.Behind, err = s.behind(ctx); err != nil {
		return out, err
	}
	out.Idle = out.Idle && !out.Behind
	return out, nil
}

// behind reports whether the changes function has not read all changes.
func (s *Stack) behind(ctx context.Context) (bool, error) {
	feed := s.records.Feed()
	last, err := feed.Last(ctx)
	if err != nil || last == "" {
		return false, err
	}
	shards, err := feed.Shards(ctx)
	if err != nil {
		return false, err
	}
	for _, shard := range shards {
		reached, err := s.checkpoints.Load(ctx, shard.ID)
		if err != nil || reached < last {
			return true, err
		}
	}
	return false, nil
}

// changes returns the changes after a position. "now" is the position of the
// last change.
func (s *Stack) changes(ctx context.Context, after string) (admin.Changes, error) {
	feed := s.records.Feed()
	if after == "now" {
		last, err := feed.Last(ctx)
		return admin.Changes{Last: last}, err
	}
	out := admin.Changes{Last: after, Changes: []admin.Change{}}
	shards, err := feed.Shards(ctx)
	if err != nil {
		return out, err
	}
	for _, shard := range shards {
		page, err := feed.Read(ctx, shard.ID, after, 100)
		if err != nil {
			return out, err
		}
		for _, r := range page.Records {
			c, err := s.change(ctx, r)
			if err != nil {
				return out, err
			}
			out.Changes, out.Last = append(out.Changes, c), r.Sequence
		}
	}
	return out, nil
}

// change decodes a change and derives what follows from it.
func (s *Stack) change(ctx context.Context, r eventsource.FeedRecord) (admin.Change, error) {
	event := []byte(`{"Records":[` + string(r.JSON) + `]}`)
	batch, err := lambdaevent.Decode(event, lambdaevent.DynamoDBStream)
	if err != nil {
		return admin.Change{}, err
	}
	c, notifications, err := s.changesReader.Notifications(batch.Records[0])
	out := admin.Change{Sequence: r.Sequence, Key: c.Key, Old: c.Old, New: c.New, Notifications: notifications}
	if err != nil {
		s.log.WarnContext(ctx, "notification rules failed on a change", "sequence", r.Sequence, "error", err)
	}
	jobs, err := s.changesReader.Jobs(ctx, batch.Records[0])
	if err != nil {
		s.log.WarnContext(ctx, "derive the jobs of a change", "sequence", r.Sequence, "error", err)
	}
	for _, m := range jobs {
		out.Jobs = append(out.Jobs, m.ID)
	}
	return out, nil
}

// outcome waits up to a second for the outcome of a message.
func (s *Stack) outcome(ctx context.Context, id string) (admin.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		out, ok, changed := s.outcomes.get(id)
		if ok {
			return out, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return out, fmt.Errorf("message %q: %w", id, pipeline.ErrNotFound)
		}
	}
}

// sent reports which notifications were sent: those whose claim is complete.
func (s *Stack) sent(ctx context.Context, ids []string) (map[string]bool, error) {
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		done, err := s.sender.Sent(ctx, id)
		if err != nil {
			return nil, err
		}
		out[id] = done
	}
	return out, nil
}

func (s *Stack) setStatus(r *http.Request) (any, error) {
	var want struct{ Key, Status string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxAdminBody)).Decode(&want); err != nil {
		return nil, usageError("body: " + err.Error())
	}
	if want.Key == "" || want.Status == "" {
		return nil, usageError("key and status are required")
	}
	out := admin.StatusChange{Key: want.Key, To: want.Status}
	_, err := pipeline.Update(r.Context(), s.records, schema.ParseKeyText(want.Key), func(current schema.Change, exists bool) (any, error) {
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
