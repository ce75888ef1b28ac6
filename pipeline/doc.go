// Package pipeline handles batches of records for the workers of Sluice.
//
// An event source delivers a batch. Each element of it becomes a [Record]. A
// [Handler] receives one record and returns one error:
//
//	nil                   done
//	an error              deliver the record again
//	Permanent(err)        never again: the record becomes a dead letter
//	RetryAfter(err, d)    deliver it again, not before d
//
// [Run] calls the handler for each record of a batch. It alone deals with order,
// parallelism and the deadline, and reports an [Outcome] for each record.
//
// [Router] handles records that are messages: it decodes the [Message] and calls
// the handler of its type. [Table] is the contract of a table with conditional
// writes, and [Once] protects a side effect from being repeated.
//
// The package imports only the standard library. Packages lambdaevent,
// dynamotable and sqsqueue connect it to AWS.
package pipeline
