package settings

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/local/sqsserver/sqserr"
)

// Names of attributes, as SQS has them.
const (
	VisibilityTimeout             = "VisibilityTimeout"
	MaximumMessageSize            = "MaximumMessageSize"
	MessageRetentionPeriod        = "MessageRetentionPeriod"
	DelaySeconds                  = "DelaySeconds"
	ReceiveMessageWaitTimeSeconds = "ReceiveMessageWaitTimeSeconds"
	Policy                        = "Policy"
	RedrivePolicy                 = "RedrivePolicy"
	RedriveAllowPolicy            = "RedriveAllowPolicy"
	KmsMasterKeyID                = "KmsMasterKeyId"
	KmsDataKeyReusePeriod         = "KmsDataKeyReusePeriodSeconds"
	ManagedSSE                    = "SqsManagedSseEnabled"
	FIFOQueue                     = "FifoQueue"
	ContentBasedDeduplication     = "ContentBasedDeduplication"
	DeduplicationScope            = "DeduplicationScope"
	FIFOThroughputLimit           = "FifoThroughputLimit"

	MessagesReady         = "ApproximateNumberOfMessages"
	MessagesInFlight      = "ApproximateNumberOfMessagesNotVisible"
	MessagesDelayed       = "ApproximateNumberOfMessagesDelayed"
	CreatedTimestamp      = "CreatedTimestamp"
	LastModifiedTimestamp = "LastModifiedTimestamp"
	QueueARN              = "QueueArn"
)

// Limits of attributes and of the parameters that override them.
const (
	MaxMessageBytes = 1 << 20
	MaxVisibility   = 12 * 60 * 60 // seconds, as are those below
	MaxDelay        = 15 * 60
	MaxWait         = 20
	maxReceives     = 1000
)

// numeric has the range and the default of each attribute that is a number.
var numeric = map[string]struct{ min, max, standard int }{
	VisibilityTimeout:             {0, MaxVisibility, 30},
	MaximumMessageSize:            {1024, MaxMessageBytes, MaxMessageBytes},
	MessageRetentionPeriod:        {60, 14 * 24 * 60 * 60, 4 * 24 * 60 * 60},
	DelaySeconds:                  {0, MaxDelay, 0},
	ReceiveMessageWaitTimeSeconds: {0, MaxWait, 0},
	KmsDataKeyReusePeriod:         {60, 24 * 60 * 60, 300},
}

// Names are all attributes, those that are reported and cannot be set included.
var Names = slices.Concat(
	[]string{MessagesReady, MessagesInFlight, MessagesDelayed, CreatedTimestamp, LastModifiedTimestamp, QueueARN},
	slices.Sorted(maps.Keys(numeric)),
	[]string{
		Policy, RedrivePolicy, RedriveAllowPolicy, KmsMasterKeyID, ManagedSSE, FIFOQueue, ContentBasedDeduplication,
		DeduplicationScope, FIFOThroughputLimit,
	},
)

// Normalize checks attributes and returns each value in the form in which it is
// stored and compared. "" removes an attribute where AWS allows that. The error is
// a [*sqserr.Error].
func Normalize(attrs map[string]string, fifo bool) (map[string]string, error) {
	out := make(map[string]string, len(attrs))
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		v, err := normalizeOne(name, attrs[name], fifo)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	if out[KmsMasterKeyID] != "" && out[ManagedSSE] == "true" {
		return nil, sqserr.InvalidAttributeName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	if out[FIFOThroughputLimit] == "perMessageGroupId" && out[DeduplicationScope] == "queue" {
		return nil, sqserr.InvalidAttributeValue(FIFOThroughputLimit, "perMessageGroupId needs DeduplicationScope messageGroup.")
	}
	return out, nil
}

func normalizeOne(name, v string, fifo bool) (string, error) {
	if r, ok := numeric[name]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < r.min || n > r.max {
			return "", sqserr.InvalidAttributeValue(name, "")
		}
		return strconv.Itoa(n), nil
	}
	switch name {
	case Policy:
		if v != "" && !json.Valid([]byte(v)) {
			return "", sqserr.InvalidAttributeValue(name, "It is not valid JSON.")
		}
		return v, nil
	case KmsMasterKeyID:
		return v, nil
	case ManagedSSE:
		return normalBool(name, v)
	case RedrivePolicy:
		return normalRedrive(v)
	case RedriveAllowPolicy:
		return normalRedriveAllow(v)
	case FIFOQueue:
		b, err := normalBool(name, v)
		if err != nil {
			return "", err
		}
		if b == "false" && fifo {
			return "", sqserr.InvalidAttributeValue(name, "Modifying queue type is not supported.")
		}
		if !fifo {
			return "", sqserr.InvalidAttributeName("Unknown Attribute %s.", name)
		}
		return b, nil
	case ContentBasedDeduplication:
		if !fifo {
			return "", sqserr.InvalidAttributeName("Unknown Attribute %s.", name)
		}
		return normalBool(name, v)
	case DeduplicationScope:
		return oneOf(name, v, fifo, "queue", "messageGroup")
	case FIFOThroughputLimit:
		return oneOf(name, v, fifo, "perQueue", "perMessageGroupId")
	}
	return "", sqserr.InvalidAttributeName("Unknown Attribute %s.", name)
}

func normalBool(name, v string) (string, error) {
	switch v = strings.ToLower(v); v {
	case "true", "false":
		return v, nil
	}
	return "", sqserr.InvalidAttributeValue(name, "")
}

func oneOf(name, v string, fifo bool, values ...string) (string, error) {
	if !fifo {
		return "", sqserr.InvalidAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
	}
	if !slices.Contains(values, v) {
		return "", sqserr.InvalidAttributeValue(name, "")
	}
	return v, nil
}
