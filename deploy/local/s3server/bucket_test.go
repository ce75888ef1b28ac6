package s3server_test

import "sluice/deploy/local/s3server/s3test"

const bucket = s3test.Bucket
