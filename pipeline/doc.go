// Package pipeline is the small core that every worker of Sluice is built on.
//
// An event source hands over a batch. Each element of it becomes a [Record], a
// [Handler] sees one record and returns one error, and [Run] alone knows about
// order, parallelism, the deadline and which records come back:
//
//	nil                   done
//	an error              deliver it again
//	Permanent(err)        never again: a dead letter, with its reason
//	RetryAfter(err, d)    again, but not before d
//
// On top of that stand [Message] and [Router] (one message, one job, chosen by
// its type), the [Table] contract (state with versions), and [Once] (what must
// not be done twice). The package imports the standard library and nothing
// else; what speaks to AWS lives in lambdaevent, dynamotable and sqsqueue.
package pipeline
