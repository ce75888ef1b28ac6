package eventsource

// progress tracks which records of a shard are done, and the position up to
// which all of them are. Lanes finish in any order. It is not safe for
// concurrent use.
type progress struct {
	pending []pendingRecord // in the order of the shard, from the first that is not done
	base    int             // number of records removed from the front of pending
	done    string          // sequence number up to which all records are done; "" before the first
}

type pendingRecord struct {
	sequence string
	done     bool
}

// tracked is a record in a lane.
type tracked struct {
	FeedRecord
	at int // its number in the shard reader, from 0
}

// add adds a record that was read and returns it with its number.
func (p *progress) add(r FeedRecord) tracked {
	p.pending = append(p.pending, pendingRecord{sequence: r.Sequence})
	return tracked{FeedRecord: r, at: p.base + len(p.pending) - 1}
}

// finish marks records as done. It returns true if the position up to which all
// records are done has moved.
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
