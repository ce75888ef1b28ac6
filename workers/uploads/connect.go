package uploads

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// connectS3 returns a function that opens a connection to S3. It asks for an
// object that the worker may read and that does not exist. The names of the
// buckets of uploads are known only from the events.
func connectS3(client Objects, deadLetterBucket string) func(context.Context) error {
	return func(ctx context.Context) error {
		if deadLetterBucket == "" {
			return nil
		}
		_, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &deadLetterBucket, Key: aws.String("letters/uploads/warm-up")})
		if _, responded := errors.AsType[*awshttp.ResponseError](err); err != nil && !responded {
			return fmt.Errorf("connect to bucket %s: %w", deadLetterBucket, err)
		}
		return nil
	}
}
