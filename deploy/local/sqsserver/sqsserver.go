// Package sqsserver serves the SQS protocol over a [store.DB], and the query
// protocol that older clients speak, so that any SQS client can use the local
// stack. Package queue has the rules; this package has HTTP and the two
// protocols.
//
// It differs from AWS in these points, because one machine knows more than a
// distributed service can:
//   - Attributes take effect at once, counts are exact, and a short poll sees
//     every message.
//   - ChangeMessageVisibility for a message that is visible again is
//     MessageNotInflight, as AWS documents it. AWS was seen to respond with
//     success and do nothing.
//   - A name can be used again right after DeleteQueue; AWS requires a pause of
//     60 seconds.
//   - ReceiveRequestAttemptId is checked and otherwise ignored: a receive is not
//     replayed.
//   - Policies, permissions and encryption keys are stored and returned, and have
//     no effect. AddPermission and RemovePermission are refused as unsupported.
//
// The package does not authenticate: a middleware that verifies signatures
// belongs in front of it.
package sqsserver

import (
	"cmp"
	"log/slog"

	"sluice/deploy/local/sqsserver/queue"
	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/store"
)

// Options configures a [Service]. If BaseURL is empty, queue URLs in responses
// begin with the host that the request was sent to.
type Options = queue.Options

// Stats describes a queue at one moment.
type Stats = queue.Stats

// Difference is an attribute of a queue that has another value than was asked
// for.
type Difference = settings.Difference

// Service is the queue service and an http.Handler for its two protocols. It is
// safe for concurrent use.
type Service struct {
	*queue.Service
	log *slog.Logger
}

// New returns a service over db. [Service.Close] must be called before the store
// is closed.
func New(db *store.DB, o Options) (*Service, error) {
	q, err := queue.New(db, o)
	if err != nil {
		return nil, err
	}
	return &Service{Service: q, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}, nil
}
