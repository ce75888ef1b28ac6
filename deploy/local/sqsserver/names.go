package sqsserver

import (
	"net/url"
	"strings"
)

const fifoSuffix = ".fifo"

// validName tells whether SQS allows the queue name: 1 to 80 letters, digits, hyphens and underscores, the suffix of a FIFO
// queue included.
func validName(name string) bool {
	base := strings.TrimSuffix(name, fifoSuffix)
	return base != "" && len(name) <= 80 && onlyWord(base)
}

// onlyWord tells whether s is made of letters, digits, hyphens and underscores.
func onlyWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// nameFromURL takes the queue's name out of a QueueUrl. Any host will do, since one machine has many names; the account must be
// ours. A bare name is taken too, as AWS does.
func (s *Service) nameFromURL(raw string) (string, error) {
	if raw == "" {
		return "", errMissing("QueueUrl")
	}
	path := raw
	if i := strings.Index(raw, "://"); i >= 0 {
		rest := raw[i+3:]
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "", newError("InvalidAddress", "InvalidAddress", "The address %s is not valid for this endpoint.", raw)
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
		return "", errNoQueue()
	}
	if !validName(name) {
		return "", errNoQueue()
	}
	return name, nil
}

// nameFromARN takes the queue's name out of an ARN of this service.
func (s *Service) nameFromARN(arn string) (string, bool) {
	name, ok := strings.CutPrefix(arn, s.ARN(""))
	return name, ok && validName(name)
}
