package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/deploy/eventsource"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// leaseData is the part of a lease's item that the tests read.
type leaseData struct {
	Owner      string `json:"owner"`
	Checkpoint string `json:"checkpoint"`
}

// leases returns the leases by shard.
func (e *engines) leases() map[string]leaseData {
	e.t.Helper()
	all := make(map[string]leaseData)
	for it, err := range e.state.Query(e.t.Context(), "lease#"+e.feed.ARN(), "shard#") {
		if err != nil {
			e.t.Fatal(err)
		}
		var l leaseData
		if err := it.Decode(&l); err != nil {
			e.t.Fatal(err)
		}
		all[strings.TrimPrefix(it.Key.SK, "shard#")] = l
	}
	return all
}

// owner waits for a copy to own the open shards and returns its index.
func (e *engines) owner(copies []*copyProcess) int {
	e.t.Helper()
	found := -1
	e.eventually("one of the copies owns the shard", 2*copyLease, func() bool {
		for _, l := range e.leases() {
			found = slices.IndexFunc(copies, func(c *copyProcess) bool { return c.owns(l.Owner) })
		}
		return found >= 0
	})
	return found
}

// takenOver waits until a killed copy owns no shard, and returns the time it
// took.
func (e *engines) takenOver(from *copyProcess) time.Duration {
	e.t.Helper()
	return e.eventually("another copy takes the shard", 2*copyLease, func() bool {
		for _, l := range e.leases() {
			if from.owns(l.Owner) || l.Owner == "" && l.Checkpoint != eventsource.ShardEnd {
				return false
			}
		}
		return true
	})
}

// sent counts the notifications in the outbox.
func (e *engines) sent() int {
	entries, _ := os.ReadDir(e.environ["OUTBOX_DIR"])
	return len(entries)
}

// copiesWork is the number of users: nine tenths come by message, a tenth by a
// write to the table, which the stream turns into a message.
func copiesWork() int {
	if os.Getenv("SLUICE_TEST_FULL") != "" {
		return 5_000
	}
	return 700
}

// feedUsers sends the messages and writes the records of some users.
func (e *engines) feedUsers(ctx context.Context, from, to int) error {
	q := sqsqueue.Queue{Client: e.sqs, URL: e.urls["jobs"]}
	var batch []pipeline.Message
	for i := from; i < to; i++ {
		email := fmt.Sprintf("user-%d@example.com", i)
		if i%10 == 0 {
			data, err := json.Marshal(schema.User{Change: schema.Change{Status: schema.StatusPending, At: time.Now()}, Email: email})
			if err != nil {
				return err
			}
			if _, err := e.records.Put(ctx, pipeline.Item{Key: schema.UserKey(email), Data: data}, pipeline.Absent()); err != nil {
				return err
			}
			continue
		}
		m, err := pipeline.NewMessage(ctx, schema.TypeUserRegistration, email, schema.UserRegistration{Email: email, Name: fmt.Sprint("User ", i)})
		if err != nil {
			return err
		}
		if batch = append(batch, m); len(batch) == 10 {
			if err := q.Send(ctx, batch...); err != nil {
				return err
			}
			batch = nil
		}
	}
	return q.Send(ctx, batch...)
}

// changes reads the whole stream and returns the statuses that each user has
// had, in order.
func (e *engines) changes() (perUser map[string][]string) {
	e.t.Helper()
	perUser = make(map[string][]string)
	shards, err := e.feed.Shards(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	for _, s := range shards {
		for after := ""; ; {
			page, err := e.feed.Read(e.t.Context(), s.ID, after, 1000)
			if err != nil {
				e.t.Fatal(err)
			}
			for _, r := range page.Records {
				after = r.Sequence
				batch, err := lambdaevent.Decode([]byte(`{"Records":[` + string(r.JSON) + `]}`))
				if err != nil {
					e.t.Fatal(err)
				}
				c, err := streamchange.Decode(batch.Records[0])
				if err != nil {
					e.t.Fatal(err)
				}
				item := streamchange.Plain(c.New)
				email, _ := item["email"].(string)
				perUser[email] = append(perUser[email], fmt.Sprint(item["status"]))
			}
			if page.End || len(page.Records) == 0 {
				break
			}
		}
	}
	return perUser
}

// TestCopiesShareTheWork runs two copies over real engines, kills one five times
// and stops one past its lease, each time with work in progress. Nothing is
// lost, no effect happens twice, and another copy reads a killed copy's shard
// within one lease.
func TestCopiesShareTheWork(t *testing.T) {
	t.Parallel()
	e := openEngines(t)
	binary := e.build()
	start := func() *copyProcess { return e.start(binary, "jobs", "notifications", "changes") }
	users := copiesWork()
	copies := []*copyProcess{start(), start()}
	all := slices.Clone(copies)
	e.owner(copies)

	// Faults of the copy that owns the shard, or of the other one. A share of the
	// users is sent just before each fault.
	events := []struct {
		owner bool
		pause bool
	}{{owner: true}, {owner: false}, {owner: true, pause: true}, {owner: true}, {owner: false}, {owner: true}}
	fed := 0
	feed := func(to int) {
		t.Helper()
		if err := e.feedUsers(t.Context(), fed, to); err != nil {
			t.Fatal(err)
		}
		fed = to
	}
	var takeovers []time.Duration
	for i, event := range events {
		before := fed
		feed(users * (i + 1) / (len(events) + 1))
		e.progress(fmt.Sprintf("some of the users %d to %d are notified", before, fed), func() bool { return e.sent() > before+(fed-before)/8 })
		victim := e.owner(copies)
		if !event.owner {
			victim = 1 - victim
		}
		c := copies[victim]
		notified := e.sent()
		t.Logf("fault %d: %d of %d notified", i+1, notified, fed)
		if notified >= fed {
			t.Errorf("fault %d comes after the work: %d of %d are notified", i+1, notified, fed)
		}
		if event.pause {
			c.signal(t, syscall.SIGSTOP)
			began := time.Now()
			takeovers = append(takeovers, e.takenOver(c))
			// The copy stays stopped, well past its lease, while the other works.
			e.eventually("the lease of the stopped copy has ended", 3*copyLease, func() bool { return time.Since(began) > copyLease+copyVisibility })
			feed(fed + users/(len(events)+1)/4) // it continues into work
			c.signal(t, syscall.SIGCONT)
			e.eventually("the stopped copy notices that its lease is lost", copyLease, func() bool {
				return strings.Contains(c.text(), "lease lost")
			})
			continue
		}
		c.signal(t, syscall.SIGKILL)
		<-c.done
		if event.owner {
			takeovers = append(takeovers, e.takenOver(c))
		}
		copies[victim] = start()
		all = append(all, copies[victim])
	}
	feed(users)
	e.progress("all users are notified, and no message is left", func() bool {
		return e.sent() >= users && e.waiting("jobs") == "0+0" && e.waiting("notifications") == "0+0"
	})
	e.checkEffects(users)
	checkSends(t, all)
	t.Logf("%d users, takeovers after %v, the lease is %v", users, takeovers, copyLease)
	for _, took := range takeovers {
		if took > copyLease {
			t.Errorf("a shard was taken over after %v, the lease is %v", took, copyLease)
		}
	}

	// SIGTERM: the copies release their shards and exit with 0.
	for _, c := range copies {
		c.signal(t, syscall.SIGTERM)
	}
	for _, c := range copies {
		if err := <-c.done; err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	}
	for shard, l := range e.leases() {
		if l.Owner != "" {
			t.Errorf("shard %q is still owned by %q", shard, l.Owner)
		}
	}
}

// progress waits for ok as long as the outbox grows. It fails the test after two
// minutes without growth.
func (e *engines) progress(what string, ok func() bool) {
	e.t.Helper()
	for {
		before := e.sent()
		moved := false
		e.eventually(fmt.Sprintf("%s; %d are, jobs %s, notifications %s, leases %v", what, before,
			e.waiting("jobs"), e.waiting("notifications"), e.leases()), 2*time.Minute, func() bool {
			if ok() {
				return true
			}
			moved = e.sent() > before+100
			return moved
		})
		if !moved {
			return
		}
	}
}

var sentLine = regexp.MustCompile(`msg="notification sent".* notification=(\S+)`)

// checkSends counts in the copies' logs how often each notification was sent and
// its claim completed. The outbox cannot show it: a second send replaces the file
// of the first. Twice means a claim with two owners. A send whose process was
// killed before the log line does not count, and may be repeated.
func checkSends(t *testing.T, copies []*copyProcess) {
	t.Helper()
	sent := make(map[string]int)
	for _, c := range copies {
		for _, m := range sentLine.FindAllStringSubmatch(c.text(), -1) {
			sent[m[1]]++
		}
	}
	if len(sent) == 0 {
		t.Error("no log has a sent notification")
	}
	for id, n := range sent {
		if n > 1 {
			t.Errorf("notification %q was sent %d times", id, n)
		}
	}
}

// checkEffects checks that each user became pending once and active once, and
// was notified once.
func (e *engines) checkEffects(users int) {
	e.t.Helper()
	sent, err := notify.ReadOutbox(e.environ["OUTBOX_DIR"])
	if err != nil {
		e.t.Fatal(err)
	}
	ids, perUser := make(map[string]bool), make(map[string]int)
	for _, n := range sent {
		if ids[n.ID] {
			e.t.Errorf("notification %q is twice in the outbox", n.ID)
		}
		ids[n.ID] = true
		perUser[n.To]++
	}
	made := e.changes()
	want := []string{schema.StatusPending, schema.StatusActive}
	wrong := 0
	for i := range users {
		email := fmt.Sprintf("user-%d@example.com", i)
		var user schema.User
		it, err := e.records.Get(e.t.Context(), schema.UserKey(email))
		if err == nil {
			err = it.Decode(&user)
		}
		if err != nil || user.Status != schema.StatusActive || perUser[email] != 1 || !slices.Equal(made[email], want) {
			if wrong++; wrong <= 10 {
				e.t.Errorf("%s: status %q, %v; notified %d times, want once; changes %q, want %q", email, user.Status, err, perUser[email], made[email], want)
			}
		}
	}
	if wrong > 0 {
		e.t.Errorf("%d of %d users are wrong", wrong, users)
	}
	if len(sent) != users {
		e.t.Errorf("%d notifications, want %d", len(sent), users)
	}
	if n := e.waiting(queueDead); n != "0+0" {
		e.t.Errorf("dead letters: %s", n)
	}
}
