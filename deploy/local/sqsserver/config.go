package sqsserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// config is what is known about a queue beside its messages.
type config struct {
	ID       uint64            `json:"id"`       // another one for each queue that ever had this name; part of receipt handles
	Created  int64             `json:"created"`  // Unix seconds
	Modified int64             `json:"modified"` // Unix seconds
	Purged   int64             `json:"purged"`   // Unix milliseconds, 0 for never
	Attrs    map[string]string `json:"attrs"`    // as given, in normal form; what was not given has the default

	raw []byte // the stored form

	// Taken out of Attrs. Times are milliseconds.
	fifo         bool
	visibility   int64
	delay        int64
	retention    int64
	wait         int64
	maxBytes     int
	contentDedup bool
	groupScope   bool
	redrive      *redrivePolicy
}

// redrivePolicy says where messages go that were received too often.
type redrivePolicy struct {
	Target      string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// Attribute names and their meaning.
const (
	attrVisibility   = "VisibilityTimeout"
	attrMaxBytes     = "MaximumMessageSize"
	attrRetention    = "MessageRetentionPeriod"
	attrDelay        = "DelaySeconds"
	attrWait         = "ReceiveMessageWaitTimeSeconds"
	attrPolicy       = "Policy"
	attrRedrive      = "RedrivePolicy"
	attrRedriveAllow = "RedriveAllowPolicy"
	attrKmsKey       = "KmsMasterKeyId"
	attrKmsReuse     = "KmsDataKeyReusePeriodSeconds"
	attrSse          = "SqsManagedSseEnabled"
	attrFifo         = "FifoQueue"
	attrContentDedup = "ContentBasedDeduplication"
	attrDedupScope   = "DeduplicationScope"
	attrThroughput   = "FifoThroughputLimit"

	attrCountReady    = "ApproximateNumberOfMessages"
	attrCountInFlight = "ApproximateNumberOfMessagesNotVisible"
	attrCountDelayed  = "ApproximateNumberOfMessagesDelayed"
	attrCreated       = "CreatedTimestamp"
	attrModified      = "LastModifiedTimestamp"
	attrARN           = "QueueArn"
)

const (
	maxMessageBytes = 1 << 20
	maxVisibility   = 12 * 60 * 60 // seconds
	maxDelay        = 15 * 60
	maxWait         = 20
	maxReceiveLimit = 1000
)

// numeric are the attributes that are numbers in a range.
var numeric = map[string]struct{ min, max, standard int }{
	attrVisibility: {0, maxVisibility, 30},
	attrMaxBytes:   {1024, maxMessageBytes, maxMessageBytes},
	attrRetention:  {60, 14 * 24 * 60 * 60, 4 * 24 * 60 * 60},
	attrDelay:      {0, maxDelay, 0},
	attrWait:       {0, maxWait, 0},
	attrKmsReuse:   {60, 24 * 60 * 60, 300},
}

// readOnly are the attributes that can be asked for and not set.
var readOnly = []string{attrCountReady, attrCountInFlight, attrCountDelayed, attrCreated, attrModified, attrARN}

// normalize checks attributes as given and brings each value into the form it is stored and compared in. "" takes an attribute
// away where AWS allows that.
func normalize(attrs map[string]string, fifo bool) (map[string]string, error) {
	out := make(map[string]string, len(attrs))
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		v, err := normalizeOne(name, attrs[name], fifo)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	if out[attrKmsKey] != "" && out[attrSse] == "true" {
		return nil, errAttributeName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	if out[attrThroughput] == "perMessageGroupId" && out[attrDedupScope] == "queue" {
		return nil, errAttributeValue(attrThroughput, "perMessageGroupId needs DeduplicationScope messageGroup.")
	}
	return out, nil
}

func normalizeOne(name, v string, fifo bool) (string, error) {
	if r, ok := numeric[name]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < r.min || n > r.max {
			return "", errAttributeValue(name, "")
		}
		return strconv.Itoa(n), nil
	}
	switch name {
	case attrPolicy:
		if v != "" && !json.Valid([]byte(v)) {
			return "", errAttributeValue(name, "It is no JSON.")
		}
		return v, nil
	case attrKmsKey:
		return v, nil
	case attrSse:
		return normalBool(name, v)
	case attrRedrive:
		return normalRedrive(v)
	case attrRedriveAllow:
		return normalRedriveAllow(v)
	case attrFifo:
		b, err := normalBool(name, v)
		if err != nil {
			return "", err
		}
		if b == "false" && fifo {
			return "", errAttributeValue(name, "Modifying queue type is not supported.")
		}
		if !fifo {
			return "", errAttributeName("Unknown Attribute %s.", name)
		}
		return b, nil
	case attrContentDedup:
		if !fifo {
			return "", errAttributeName("Unknown Attribute %s.", name)
		}
		return normalBool(name, v)
	case attrDedupScope:
		return oneOf(name, v, fifo, "queue", "messageGroup")
	case attrThroughput:
		return oneOf(name, v, fifo, "perQueue", "perMessageGroupId")
	}
	return "", errAttributeName("Unknown Attribute %s.", name)
}

func normalBool(name, v string) (string, error) {
	switch v = strings.ToLower(v); v {
	case "true", "false":
		return v, nil
	}
	return "", errAttributeValue(name, "")
}

func oneOf(name, v string, fifo bool, values ...string) (string, error) {
	if !fifo {
		return "", errAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
	}
	if !slices.Contains(values, v) {
		return "", errAttributeValue(name, "")
	}
	return v, nil
}

// normalRedrive accepts maxReceiveCount as a number or as a string, since both are in use, and gives back a number, as AWS does.
func normalRedrive(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	var in struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(v), &in); err != nil {
		return "", errValue(v, attrRedrive, "Redrive policy is not a valid JSON map.")
	}
	if in.Target == "" {
		return "", errValue(v, attrRedrive, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if in.Max == nil {
		return "", errValue(v, attrRedrive, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	text := strings.Trim(string(in.Max), `"`)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxReceiveLimit {
		return "", errValue(v, attrRedrive, fmt.Sprintf("Invalid value for maxReceiveCount: %s, valid values are from 1 to %d both inclusive.", text, maxReceiveLimit))
	}
	b, err := json.Marshal(redrivePolicy{in.Target, n})
	return string(b), err
}

// redriveAllow says which queues may name a queue as their dead-letter queue.
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
		return "", errValue(v, attrRedriveAllow, "It is not a valid JSON map.")
	}
	ok := false
	switch in.Permission {
	case "allowAll", "denyAll":
		ok = len(in.Sources) == 0
	case "byQueue":
		ok = len(in.Sources) >= 1 && len(in.Sources) <= 10
	}
	if !ok {
		return "", errValue(v, attrRedriveAllow, "redrivePermission is allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns.")
	}
	b, err := json.Marshal(in)
	return string(b), err
}

// allows tells whether c may be the dead-letter queue of the queue with this ARN.
func (c *config) allows(source string) bool {
	v := c.Attrs[attrRedriveAllow]
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

// set takes over normalized attributes.
func (c *config) set(attrs map[string]string) {
	if c.Attrs == nil {
		c.Attrs = map[string]string{}
	}
	for name, v := range attrs {
		if v == "" {
			delete(c.Attrs, name)
			continue
		}
		c.Attrs[name] = v
	}
	if attrs[attrKmsKey] != "" {
		c.Attrs[attrSse] = "false"
	}
	if c.Attrs[attrKmsKey] == "" {
		delete(c.Attrs, attrKmsReuse)
	}
}

func (c *config) encode() ([]byte, error) { return json.Marshal(c) }

// decodeConfig reads a stored config and takes the parts out that each action needs.
func decodeConfig(raw []byte) (*config, error) {
	c := &config{raw: bytes.Clone(raw)}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("%w: config: %w", errDamaged, err)
	}
	c.fifo = c.Attrs[attrFifo] == "true"
	c.visibility = c.number(attrVisibility) * 1000
	c.delay = c.number(attrDelay) * 1000
	c.retention = c.number(attrRetention) * 1000
	c.wait = c.number(attrWait) * 1000
	c.maxBytes = int(c.number(attrMaxBytes))
	c.contentDedup = c.Attrs[attrContentDedup] == "true"
	c.groupScope = c.Attrs[attrDedupScope] == "messageGroup"
	if v := c.Attrs[attrRedrive]; v != "" {
		c.redrive = new(redrivePolicy)
		if err := json.Unmarshal([]byte(v), c.redrive); err != nil {
			return nil, fmt.Errorf("%w: redrive policy: %w", errDamaged, err)
		}
	}
	return c, nil
}

func (c *config) number(name string) int64 {
	if v, ok := c.Attrs[name]; ok {
		n, _ := strconv.ParseInt(v, 10, 64) // normalized when it was set
		return n
	}
	return int64(numeric[name].standard)
}

// value is the attribute as GetQueueAttributes shows it. What has neither a value nor a default is not shown.
func (c *config) value(name string) (string, bool) {
	if v, ok := c.Attrs[name]; ok {
		return v, true
	}
	switch name {
	case attrKmsReuse:
		return "", false
	case attrSse:
		return "true", true
	case attrContentDedup:
		return "false", c.fifo
	case attrDedupScope:
		return "queue", c.fifo
	case attrThroughput:
		return "perQueue", c.fifo
	}
	if r, ok := numeric[name]; ok {
		return strconv.Itoa(r.standard), true
	}
	return "", false
}

// configCache keeps decoded configs, one for each queue, as long as the stored form is the same.
type configCache struct {
	mu     sync.RWMutex
	byName map[string]*config
}

func (cc *configCache) get(name string, raw []byte) (*config, error) {
	cc.mu.RLock()
	c := cc.byName[name]
	cc.mu.RUnlock()
	if c != nil && bytes.Equal(c.raw, raw) {
		return c, nil
	}
	c, err := decodeConfig(raw)
	if err != nil {
		return nil, err
	}
	cc.mu.Lock()
	cc.byName[name] = c
	cc.mu.Unlock()
	return c, nil
}

func (cc *configCache) forget(name string) {
	cc.mu.Lock()
	delete(cc.byName, name)
	cc.mu.Unlock()
}
