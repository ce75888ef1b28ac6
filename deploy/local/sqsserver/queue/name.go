package queue

import (
	"net/url"
	"strings"

	"sluice/deploy/local/sqsserver/sqserr"
)

// fifoSuffix ends the name of every FIFO queue.
const fifoSuffix = ".fifo"

// validName reports whether SQS accepts the queue name: 1 to 80 letters, digits,
// hyphens and underscores, with the suffix of a FIFO queue included.
func validName(name string) bool {
	base := strings.TrimSuffix(name, fifoSuffix)
	return base != "" && len(name) <= 80 && isWord(base)
}

// isWord reports whether s consists of letters, digits, hyphens and underscores.
func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// nameFromURL returns the name of the queue that a QueueUrl names. Any host is
// accepted, since a machine has many names; the account must match. A bare queue
// name is accepted too, as AWS does.
func (s *Service) nameFromURL(raw string) (string, error) {
	if raw == "" {
		return "", sqserr.MissingParameter("QueueUrl")
	}
	path := raw
	if i := strings.Index(raw, "://"); i >= 0 {
		rest := raw[i+3:]
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "", sqserr.New("InvalidAddress", "InvalidAddress", "The address %s is not valid for this endpoint.", raw)
		}
		path = rest[slash+1:]
	}
	if strings.ContainsRune(path, '%') {
		if p, err := url.PathUnescape(path); err == nil {
			path = p
		}
	}
	path = strings.Trim(path, "/")
	account, name, both := strings.Cut(path, "/")
	if !both {
		name = account
	} else if account != s.opt.Account {
		return "", sqserr.QueueDoesNotExist()
	}
	if !validName(name) {
		return "", sqserr.QueueDoesNotExist()
	}
	return name, nil
}

// nameFromARN returns the name of the queue that an ARN of this service names.
func (s *Service) nameFromARN(arn string) (string, bool) {
	name, ok := strings.CutPrefix(arn, s.ARN(""))
	return name, ok && validName(name)
}
