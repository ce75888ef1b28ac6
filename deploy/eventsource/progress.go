package eventsource

// progress follows which records of a shard are done, and knows up to where all of them are. Lanes finish in any order.
// It has no lock of its own.
type progress struct {
	pending []pendingRecord // in the order of the shard, from the first that is not done
	base    int             // how many records were dropped from the front of pending
	done    string          // sequence number up to which all is done; "" before the first
}

type pendingRecord struct {
	sequence string
	done     bool
}

// tracked is a record on its way through a lane.
type tracked struct {
	FeedRecord
	at int // its number in the shard reader, counted from 0
}

// add notes a record as read and returns it with its number.
func (p *progress) add(r FeedRecord) tracked {
	p.pending = append(p.pending, pendingRecord{sequence: r.Sequence})
	return tracked{FeedRecord: r, at: p.base + len(p.pending) - 1}
}

// finish notes records as done. It returns true when the position up to which all is done moved.
func (p *progress) finish(records []tracked) bool {
	for _, r := range records {
		p.pending[r.at-p.base].done = true
	}
	n := 0
	for n < len(p.pending) && p.pending[n].done {
		n++
	}
	if n == 0 {
		return false
	}
	p.done = p.pending[n-1].sequence
	p.pending = p.pending[n:]
	p.base += n
	return true
}
