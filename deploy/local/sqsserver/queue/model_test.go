package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/store"
)

// model is a queue as a list, simple and slow.
type model struct {
	fifo     bool
	list     []*modelMessage // as sent
	dead     []string        // bodies that went to the dead-letter queue
	maxTimes int
}

type modelMessage struct {
	body     string
	group    string
	at       time.Time // available
	times    int
	handle   string
	lastTime time.Time
}

// receivable returns the messages that a receive may return now: those that are
// available, and in a FIFO queue have no unavailable one before them in their
// group.
func (m *model) receivable(now time.Time) (out []*modelMessage) {
	blocked := map[string]bool{}
	for _, x := range m.list {
		if x.at.After(now) {
			blocked[x.group] = true
			continue
		}
		if m.fifo && blocked[x.group] {
			continue
		}
		out = append(out, x)
	}
	return out
}

func (m *model) find(body string) *modelMessage {
	for _, x := range m.list {
		if x.body == body {
			return x
		}
	}
	return nil
}

func (m *model) drop(x *modelMessage) {
	m.list = slices.DeleteFunc(m.list, func(y *modelMessage) bool { return x == y })
}

// TestQueueAgreesWithModel runs thousands of random actions on a queue and on the
// model, and compares the received messages, their order, and the dead letters.
// After each action the stored trees must agree.
func TestQueueAgreesWithModel(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("fifo=%v/seed=%d", fifo, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { runModel(t, fifo, seed) })
			})
		}
	}
}

func runModel(t *testing.T, fifo bool, seed uint64) {
	db, err := store.Open(t.TempDir(), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	suffix, attrs := "", map[string]string{}
	if fifo {
		suffix, attrs[settings.FIFOQueue] = fifoSuffix, "true"
	}
	const maxTimes = 4
	name, deadName := "q"+suffix, "dead"+suffix
	if err := s.Create(t.Context(), deadName, attrs); err != nil {
		t.Fatal(err)
	}
	attrs[settings.RedrivePolicy] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, s.ARN(deadName), maxTimes)
	if err := s.Create(t.Context(), name, attrs); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	m := &model{fifo: fifo, maxTimes: maxTimes}
	sent := 0
	for range 500 {
		switch r.IntN(10) {
		case 0, 1, 2:
			sent++
			x := &modelMessage{body: fmt.Sprintf("%05d", sent), at: time.Now()}
			in := &OutgoingMessage{Body: &x.body}
			if fifo {
				x.group = string(rune('a' + r.IntN(4)))
				in.GroupID, in.DeduplicationID = &x.group, &x.body
			} else if r.IntN(3) == 0 {
				d := r.Int64N(5)
				in.DelaySeconds, x.at = &d, x.at.Add(time.Duration(d)*time.Second)
			}
			p, err := prepare(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.change(t.Context(), name, func(q *queue) error { _, err := q.send(p); return err }); err != nil {
				t.Fatal(err)
			}
			m.list = append(m.list, x)
		case 3, 4, 5:
			v := r.Int64N(6) * 1000
			m.receive(t, s, name, 1+r.IntN(10), v)
		case 6, 7:
			if len(m.list) == 0 {
				continue
			}
			x := m.list[r.IntN(len(m.list))]
			if x.handle == "" {
				continue
			}
			err := s.change(t.Context(), name, func(q *queue) error { return q.delete(&x.handle) })
			if late := fifo && !x.at.After(time.Now()); late != (err != nil) {
				t.Fatalf("delete %s: %v", x.body, err)
			} else if !late {
				m.drop(x)
			}
		case 8:
			if len(m.list) == 0 {
				continue
			}
			x := m.list[r.IntN(len(m.list))]
			if x.handle == "" {
				continue
			}
			seconds := r.Int64N(6)
			err := s.change(t.Context(), name, func(q *queue) error { return q.changeVisibility(&x.handle, &seconds) })
			if late := !x.at.After(time.Now()); late != (err != nil) {
				t.Fatalf("hide %s: %v", x.body, err)
			} else if !late {
				x.at = time.Now().Add(time.Duration(seconds) * time.Second)
			}
		case 9:
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		checkTrees(t, s, name)
		checkTrees(t, s, deadName)
		m.compare(t, s, name)
	}
	if dead := bodiesOf(t, s, deadName); strings.Join(dead, " ") != strings.Join(m.dead, " ") || len(dead) == 0 {
		t.Errorf("dead letters: got %v, want %v", dead, m.dead)
	}
}

// receive receives from the queue and checks the messages against the model.
func (m *model) receive(t *testing.T, s *Service, name string, max int, visibility int64) {
	t.Helper()
	now := time.Now()
	can := m.receivable(now)
	got, _, err := s.receiveNow(t.Context(), name, receiveOptions{max: max, visibility: &visibility})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, x := range can {
		if x.times < m.maxTimes {
			want++
		}
	}
	// In a FIFO queue a dead letter unblocks its group, so more may be received.
	if len(got) < min(want, max) && !m.fifo || len(got) == 0 && want > 0 || len(got) > max {
		t.Fatalf("received %d of at most %d, of %d that are ready", len(got), max, want)
	}
	m.moveDead(t, s, name)
	last := map[string]string{}
	for _, d := range got {
		x := m.find(d.body)
		if x == nil {
			t.Fatalf("received %s, which is deleted or dead", d.body)
		}
		if !slices.Contains(can, x) && !m.fifo {
			t.Fatalf("received %s, which is not available", d.body)
		}
		if m.fifo && last[x.group] >= x.body {
			t.Fatalf("group %s: %s after %s", x.group, x.body, last[x.group])
		}
		if m.fifo {
			for _, y := range m.list { // no earlier message of the group may be missing
				if y == x {
					break
				}
				if y.group == x.group && !slices.ContainsFunc(got, func(d delivered) bool { return d.body == y.body }) {
					t.Fatalf("group %s: received %s before %s", x.group, x.body, y.body)
				}
			}
		}
		last[x.group] = x.body
	}
	for _, d := range got {
		x := m.find(d.body)
		x.times++
		x.handle, x.lastTime = d.handle.String(), now
		x.at = now.Add(time.Duration(visibility) * time.Millisecond)
		if int(d.count) != x.times {
			t.Fatalf("%s shows %d receives, want %d", d.body, d.count, x.times)
		}
	}
}

// moveDead removes from the model the messages that moved to the dead-letter
// queue, and checks that each had been received often enough.
func (m *model) moveDead(t *testing.T, s *Service, name string) {
	t.Helper()
	here := bodiesOf(t, s, name)
	for _, x := range slices.Clone(m.list) {
		if slices.Contains(here, x.body) {
			continue
		}
		if x.times != m.maxTimes || x.at.After(time.Now()) {
			t.Fatalf("%s left the queue after %d receives", x.body, x.times)
		}
		m.drop(x)
		m.dead = append(m.dead, x.body)
	}
	slices.Sort(m.dead)
}

// compare checks the messages in the queue and its counts.
func (m *model) compare(t *testing.T, s *Service, name string) {
	t.Helper()
	var want []string
	ready := 0
	for _, x := range m.list {
		want = append(want, x.body)
		if !x.at.After(time.Now()) {
			ready++
		}
	}
	if got := bodiesOf(t, s, name); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("messages: got %v, want %v", got, want)
	}
	st, err := s.QueueStats(name)
	if err != nil || st.Ready != int64(ready) || st.InFlight+st.Delayed != int64(len(m.list)-ready) {
		t.Fatalf("got %+v, %v, want %d ready and %d not", st, err, ready, len(m.list)-ready)
	}
}

// bodiesOf returns the bodies of the messages in a queue, sorted.
func bodiesOf(t *testing.T, s *Service, name string) (out []string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return q.messages().ForEach(func(_, v []byte) error {
			m, err := decodeMessage(v)
			out = append(out, string(m.body))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
