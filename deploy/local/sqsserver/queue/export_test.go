package queue

import (
	"testing"

	"go.etcd.io/bbolt"
)

// CheckTrees reads everything that is stored about a queue and fails the test
// where two parts of it disagree.
func (s *Service) CheckTrees(t *testing.T, name string) {
	t.Helper()
	checkTrees(t, s, name)
}

// Bodies returns the bodies of the messages in a queue, sorted.
func (s *Service) Bodies(t *testing.T, name string) []string {
	t.Helper()
	return bodiesOf(t, s, name)
}

// InFlightBodies returns the bodies of the messages of a queue that are in flight
// or delayed.
func (s *Service) InFlightBodies(t *testing.T, name string) (out []string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return q.waiting().ForEach(func(tk, _ []byte) error {
			_, k := splitTimeKey(tk)
			m, err := q.load(k)
			out = append(out, string(m.body))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
