package main

// operations are what a worker asks of others for one record. TestOperations
// counts them in the workers themselves.
type operations struct {
	recordGets, recordPuts    float64 // of table records
	stateGets, statePuts      float64 // of table state
	sends                     float64 // SQS requests
	objectReads, objectWrites float64 // S3: GET and HEAD; PUT
}

var (
	picture      = operations{sends: 1, objectReads: 2, objectWrites: 1} // with one size
	imageJob     = operations{recordGets: 1, recordPuts: 1}
	registration = operations{recordGets: 2, recordPuts: 2}
	order        = operations{recordGets: 3, recordPuts: 3, stateGets: 1, statePuts: 2} // one that is new
	change       = operations{sends: 1}                                                 // one from which something follows
	mail         = operations{statePuts: 2}
)

// An item is taken to be at most 1 KB, so that a Put is one unit of writing and
// a Get one of reading.

// mixed is a share of b and the rest of a.
func mixed(a, b operations, share float64) operations {
	mix := func(x, y float64) float64 { return x*(1-share) + y*share }
	return operations{
		mix(a.recordGets, b.recordGets), mix(a.recordPuts, b.recordPuts), mix(a.stateGets, b.stateGets), mix(a.statePuts, b.statePuts),
		mix(a.sends, b.sends), mix(a.objectReads, b.objectReads), mix(a.objectWrites, b.objectWrites),
	}
}

// queued is what a message costs that others sent, or that a change of others
// brought.
func (f Flow) queued() operations { return mixed(registration, order, f.Orders) }

// job is the mean job of a load.
func (f Flow) job(l Load) operations {
	all := l.Uploads + f.queuedJobs(l)
	if all == 0 {
		return f.queued()
	}
	return mixed(imageJob, f.queued(), f.queuedJobs(l)/all)
}

func (f Flow) queuedJobs(l Load) float64 { return l.Messages + l.Changes*f.JobsOfChange }
