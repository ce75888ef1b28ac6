package uploads

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// maxKeyBytes is S3's limit on a key.
const maxKeyBytes = 1024

// Objects is what the worker uses of *s3.Client.
type Objects interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

// AccessDeniedError says that S3 refused to show an object. It is retried: a
// permission can be given.
type AccessDeniedError struct {
	Bucket, Key string
	Err         error
}

func (e *AccessDeniedError) Error() string {
	return fmt.Sprintf("read %q: S3 answered 403: either the worker may not read it (s3:GetObject), "+
		"or it is gone and the worker may not list the bucket (s3:ListBucket), without which S3 does not say so: %v",
		e.Bucket+"/"+e.Key, e.Err)
}

func (e *AccessDeniedError) Unwrap() error { return e.Err }

// readError says what came of reading an object, where it is not simply gone.
func readError(bucket, key string, err error) error {
	if status(err) == http.StatusForbidden && deniesAccess[errorCode(err)] {
		return &AccessDeniedError{bucket, key, err}
	}
	return fmt.Errorf("read %q: %w", bucket+"/"+key, err)
}

// deniesAccess are the codes of a 403 that is about permissions: GET's and
// HEAD's, whose answer has no body. Others tell of an archived object, a wrong
// signature, a wrong clock.
var deniesAccess = map[string]bool{"AccessDenied": true, "Forbidden": true, "UnknownError": true, "": true}

// isNotFound reports whether the object is gone. A bucket that is gone is
// another matter: somebody's mistake, worth trying again. HEAD's answer has no
// body and cannot tell the two apart, GET's and DELETE's can.
func isNotFound(err error) bool {
	return err != nil && status(err) == http.StatusNotFound && errorCode(err) != "NoSuchBucket"
}

// status is the HTTP status of S3's answer, or 0 where there was none.
func status(err error) int {
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return re.HTTPStatusCode()
	}
	return 0
}

// errorCode is the code in S3's answer. The SDK has no types for most of them.
func errorCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
