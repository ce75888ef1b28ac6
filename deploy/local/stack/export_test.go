package stack

import (
	"sluice/deploy/local/admin"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/tables"
)

const KeysFile = keysFile

func (s *Stack) Queues() *sqsserver.Service { return s.queues }
func (s *Stack) Records() *tables.Table     { return s.records }

func (s *Stack) LastOutcome(id string) (admin.Outcome, bool) {
	out, ok, _ := s.outcomes.get(id)
	return out, ok
}
