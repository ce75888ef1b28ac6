package codec

import "fmt"

// Kind is why a picture is refused. Trying again does not help.
type Kind int

// The kinds of [Error].
const (
	KindCorrupt       Kind = iota + 1 // the data is damaged or ends early
	KindUnsupported                   // the format has a form that is not read
	KindTooManyPixels                 // over the limit of pixels
	KindTooMuchMemory                 // over the limit of memory
)

// Error refuses a picture. thumbnail turns it into its own types of error.
type Error struct {
	Kind       Kind
	Format     string // a name of this package
	Reason     string // for people; of a limit, the origin of the number
	Err        error  // the cause; nil for none
	Got, Limit int64  // of a limit
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s (%v)", e.Reason, e.Err)
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Corrupt refuses damaged data.
func Corrupt(format, reason string) error {
	return &Error{Kind: KindCorrupt, Format: format, Reason: reason}
}

// Unsupported refuses a form of a format.
func Unsupported(format, reason string) error {
	return &Error{Kind: KindUnsupported, Format: format, Reason: reason}
}

// IsCorrupt reports whether err itself, not an error that it wraps, refuses
// damaged data.
func IsCorrupt(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Kind == KindCorrupt
}
