package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"go.etcd.io/bbolt"
)

// checkTrees reads everything that is stored about a queue and fails the test
// where two parts of it disagree.
func checkTrees(t *testing.T, s *Service, name string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return q.agree()
	})
	if err != nil {
		t.Fatalf("queue %s: %v", name, err)
	}
}

func (q *queue) agree() error {
	var n counts
	places := map[key]byte{}
	err := q.waiting().ForEach(func(tk, v []byte) error {
		_, k := splitTimeKey(tk)
		if _, ok := places[k]; ok {
			return fmt.Errorf("%x is waiting twice", k)
		}
		places[k] = v[0]
		if v[0] == kindDelayed {
			n.delayed++
		} else {
			n.inFlight++
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = q.ready().ForEach(func(tk, _ []byte) error {
		_, k := splitTimeKey(tk)
		if _, ok := places[k]; ok || q.conf.FIFO {
			return fmt.Errorf("%x is ready, want it only in one place", k)
		}
		places[k] = kindReady
		return nil
	})
	if err != nil {
		return err
	}
	heads := map[string]uint64{}
	last := ""
	err = q.groups().ForEach(func(gk, v []byte) error {
		i := bytes.IndexByte(gk, 0)
		group, seq := string(gk[:i]), binary.BigEndian.Uint64(gk[i+1:])
		k := newKey(int64(binary.BigEndian.Uint64(v[1:])), seq)
		if got, ok := places[k]; ok != (v[0] != kindReady) || ok && got != v[0] {
			return fmt.Errorf("%x has the kind %d in its group and %d, %v in the trees", k, v[0], got, ok)
		}
		places[k] = v[0]
		if group != last && v[0] == kindReady {
			heads[group] = seq
		}
		last = group
		return nil
	})
	if err != nil {
		return err
	}
	messages := 0
	err = q.messages().ForEach(func(mk, v []byte) error {
		messages++
		k := key(mk)
		m, err := decodeMessage(v)
		if err != nil {
			return err
		}
		kind, ok := places[k]
		if !ok {
			return fmt.Errorf("%x is not indexed", k)
		}
		if kind == kindReady {
			n.ready++
		}
		at, err := q.availableAt(k)
		if err != nil {
			return err
		}
		switch {
		case kind != kindReady && q.waiting().Get(timeKey(at, k)) == nil:
			return fmt.Errorf("%x is not waiting at the time in its state", k)
		case kind == kindReady && !q.conf.FIFO && q.ready().Get(timeKey(at, k)) == nil:
			return fmt.Errorf("%x is not ready at the time in its state", k)
		case q.conf.FIFO && q.groups().Get(groupKey(string(m.group), k.seq())) == nil:
			return fmt.Errorf("%x is not in its group", k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(places) != messages {
		return fmt.Errorf("%d places for %d messages", len(places), messages)
	}
	err = q.states().ForEach(func(k, _ []byte) error {
		if q.messages().Get(k) == nil {
			return fmt.Errorf("%x has a state and no message", k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n != q.n {
		return fmt.Errorf("counted %+v, stored %+v", n, q.n)
	}
	return q.headsAgree(heads)
}

func (q *queue) headsAgree(want map[string]uint64) error {
	got := map[string]uint64{}
	err := q.heads().ForEach(func(hk, group []byte) error {
		if _, ok := got[string(group)]; ok {
			return fmt.Errorf("group %q is listed twice", group)
		}
		got[string(group)] = binary.BigEndian.Uint64(hk[8:])
		if !bytes.Equal(q.listed().Get(group), hk) {
			return fmt.Errorf("group %q: the two lists differ", group)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("receivable groups: listed %v, want %v", got, want)
	}
	if n := q.listed().Stats().KeyN; n != len(want) {
		return fmt.Errorf("%d groups noted, want %d", n, len(want))
	}
	return nil
}
