package queuestest

// ElasticMQ says where ElasticMQ 1.6.16, with strict limits, departs from AWS, and where AWS documents the rule: API is the SQS
// API Reference, guide the SQS Developer Guide. Use it with [Target.ErrorsDiffer], since its types and codes are its own too.
var ElasticMQ = map[string]string{
	"receive parameters":     "takes a visibility timeout of over 12 hours. AWS: API, ReceiveMessage, VisibilityTimeout",
	"attribute rules":        "takes attribute names that are reserved, too long, or have forbidden characters and dots. AWS: guide, Amazon SQS message metadata",
	"trace header":           "answers no MD5OfMessageSystemAttributes and takes any system attribute. AWS: API, SendMessage, MessageSystemAttributes",
	"attribute filters":      "does not know prefixes as in \"Hel.*\". AWS: API, ReceiveMessage, MessageAttributeNames",
	"purge again":            "purges as often as it is asked. AWS: API, PurgeQueue, PurgeQueueInProgress",
	"message size":           "does not count attributes, and ignores the queue's MaximumMessageSize. AWS: guide, message quotas; API, SetQueueAttributes",
	"list queues":            "does not list in pages. AWS: API, ListQueues, MaxResults and NextToken",
	"set attributes":         "drops MessageRetentionPeriod. AWS: API, SetQueueAttributes",
	"attribute limits":       "takes values outside their ranges and fails with 500 on what is no number. AWS: API, SetQueueAttributes, Attributes",
	"FIFO stays FIFO":        "takes FifoQueue=false without a word. AWS: API, CreateQueue, FifoQueue: it cannot be changed",
	"FIFO batch":             "takes entries without a deduplication id. AWS: API, SendMessageBatchRequestEntry, MessageDeduplicationId",
	"send batch in part":     "takes an entry over the queue's MaximumMessageSize. AWS: API, SetQueueAttributes, MaximumMessageSize",
	"order in a group":       "numbers messages with a few digits that do not order as text. AWS: API, SendMessage, SequenceNumber: 128 bits, increasing",
	"old receipt handle":     "refuses an old handle. AWS: API, DeleteMessage: the request succeeds and the message stays",
	"redrive policy":         "takes a FIFO queue as the target of a standard one, lists no sources after SetQueueAttributes, and does not let the policy be removed. AWS: guide, Using dead-letter queues; API, ListDeadLetterSourceQueues",
	"redrive refused":        "does not answer where there is nothing to redrive to. AWS: API, StartMessageMoveTask, Errors",
	"redrive elsewhere":      "reports no end for a cancelled task. AWS: API, ListMessageMoveTasks, Status CANCELLED",
	"deduplication by group": "ignores DeduplicationScope. AWS: guide, High throughput for FIFO queues",

	"attributes and their defaults":              "does not show MessageRetentionPeriod and MaximumMessageSize. AWS: API, GetQueueAttributes",
	"batches refused whole":                      "takes a batch without entries, and ids with any characters and length. AWS: API, SendMessageBatch, EmptyBatchRequest and InvalidBatchEntryId",
	"change visibility batch in part":            "takes a timeout of over 12 hours. AWS: API, ChangeMessageVisibility, VisibilityTimeout",
	"an expired FIFO handle":                     "deletes with a handle whose visibility timeout is over. AWS: API, DeleteMessage, FIFO queues",
	"delete after the timeout":                   "refuses a second delete of the same message. AWS: API, DeleteMessage: it can succeed for what is deleted already",
	"a dead letter wakes its queue":              "lets a receive that waits at the dead-letter queue wait on. AWS: guide, Amazon SQS short and long polling",
	"redrive to the source":                      "moves all messages to one queue and not each to its own. AWS: API, StartMessageMoveTask, DestinationArn",
	"visibility ends 12 hours after the receive": "takes timeouts of over 12 hours, and counts each change anew. AWS: guide, Amazon SQS visibility timeout",
}
