package main

// operations are the calls of a worker for one record. TestOperationsOfARecord
// counts them in the workers.
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
	order        = operations{recordGets: 3, recordPuts: 3, stateGets: 1, statePuts: 2} // a new order
	change       = operations{sends: 1}                                                 // a change that causes a message
	mail         = operations{statePuts: 2}
)

// An item is assumed to have at most 1 KB, so a Put takes one write unit and a
// Get one read unit.

// mixed returns the mean of a and b, with the given share of b.
func mixed(a, b operations, share float64) operations {
	mix := func(x, y float64) float64 { return x*(1-share) + y*share }
	return operations{
		mix(a.recordGets, b.recordGets), mix(a.recordPuts, b.recordPuts), mix(a.stateGets, b.stateGets), mix(a.statePuts, b.statePuts),
		mix(a.sends, b.sends), mix(a.objectReads, b.objectReads), mix(a.objectWrites, b.objectWrites),
	}
}

// queued returns the operations of a job from a client's message or change.
func (f Flow) queued() operations { return mixed(registration, order, f.Orders) }

// job returns the operations of the mean job of a load.
func (f Flow) job(l Load) operations {
	all := l.Uploads + f.queuedJobs(l)
	if all == 0 {
		return f.queued()
	}
	return mixed(imageJob, f.queued(), f.queuedJobs(l)/all)
}

func (f Flow) queuedJobs(l Load) float64 { return l.Messages + l.Changes*f.JobsOfChange }
