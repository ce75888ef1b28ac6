package setup

import "log/slog"

// masked is what a Secret prints as.
const masked = "***"

// A Secret is the value of a setting that no log, error or response may show. It
// prints and encodes as ***; an empty one as "". string(s) is its value.
type Secret string

// String returns *** unless the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is String for the verb %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String for loggers.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
