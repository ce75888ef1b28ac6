package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/local/sqsserver/sqserr"
)

// Redrive names the queue that a message moves to after too many receives.
type Redrive struct {
	Target      string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// normalRedrive accepts maxReceiveCount as a number or as a string, since clients
// send both, and returns a number, as AWS does.
func normalRedrive(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	var in struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(v), &in); err != nil {
		return "", sqserr.InvalidValue(v, RedrivePolicy, "Redrive policy is not a valid JSON map.")
	}
	if in.Target == "" {
		return "", sqserr.InvalidValue(v, RedrivePolicy, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if in.Max == nil {
		return "", sqserr.InvalidValue(v, RedrivePolicy, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	text := strings.Trim(string(in.Max), `"`)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxReceives {
		return "", sqserr.InvalidValue(v, RedrivePolicy, fmt.Sprintf("Invalid value for maxReceiveCount: %s, valid values are from 1 to %d both inclusive.", text, maxReceives))
	}
	b, err := json.Marshal(Redrive{in.Target, n})
	return string(b), err
}

// redriveAllow is the policy that names the queues that may use a queue as their
// dead-letter queue.
type redriveAllow struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

func normalRedriveAllow(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	var in redriveAllow
	if err := json.Unmarshal([]byte(v), &in); err != nil {
		return "", sqserr.InvalidValue(v, RedriveAllowPolicy, "It is not a valid JSON map.")
	}
	ok := false
	switch in.Permission {
	case "allowAll", "denyAll":
		ok = len(in.Sources) == 0
	case "byQueue":
		ok = len(in.Sources) >= 1 && len(in.Sources) <= 10
	}
	if !ok {
		return "", sqserr.InvalidValue(v, RedriveAllowPolicy, "redrivePermission is allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns.")
	}
	b, err := json.Marshal(in)
	return string(b), err
}

// Allows reports whether the queue with the ARN source may use this queue as its
// dead-letter queue.
func (c *Settings) Allows(source string) bool {
	v := c.Attrs[RedriveAllowPolicy]
	if v == "" {
		return true
	}
	var p redriveAllow
	if json.Unmarshal([]byte(v), &p) != nil {
		return true
	}
	switch p.Permission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(p.Sources, source)
	}
	return true
}
