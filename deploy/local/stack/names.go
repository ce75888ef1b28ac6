package stack

import (
	"sluice/deploy/functions"
	"sluice/deploy/local/admin"
)

// Names of the stack's buckets and tables. They are those of deploy/aws
// without the prefix that makes names unique there.
const (
	BucketUploads    = "uploads"
	BucketThumbnails = "thumbnails"
	BucketFailures   = "failures"

	tableRecords = functions.TableRecords
	tableState   = "state"

	outboxDir = "outbox"

	region  = admin.Region
	account = "000000000000"
)
