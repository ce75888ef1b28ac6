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

// AccessDeniedError reports that S3 refused a request for an object. It is not
// permanent, since a permission can be added.
type AccessDeniedError struct {
	Bucket, Key string
	Err         error
}

func (e *AccessDeniedError) Error() string {
	return fmt.Sprintf("read %q: S3 responded with status 403: allow s3:GetObject, and s3:ListBucket, "+
		"without which S3 does not report that an object is gone: %v",
		e.Bucket+"/"+e.Key, e.Err)
}

func (e *AccessDeniedError) Unwrap() error { return e.Err }

// readError returns the error of reading an object that is not gone.
func readError(bucket, key string, err error) error {
	if status(err) == http.StatusForbidden && deniesAccess[errorCode(err)] {
		return &AccessDeniedError{bucket, key, err}
	}
	return fmt.Errorf("read %q: %w", bucket+"/"+key, err)
}

// deniesAccess has the error codes of a status 403 that concerns permissions, with
// those of HEAD, whose response has no body. Other codes mean an archived object,
// a wrong signature or a wrong clock.
var deniesAccess = map[string]bool{"AccessDenied": true, "Forbidden": true, "UnknownError": true, "": true}

// isNotFound reports whether the object is gone. A missing bucket does not count,
// since it is a mistake that can be corrected; but the response to HEAD has no
// body, so HEAD does not tell the two apart.
func isNotFound(err error) bool {
	return err != nil && status(err) == http.StatusNotFound && errorCode(err) != "NoSuchBucket"
}

// status returns the HTTP status of S3's response, or 0 without a response.
func status(err error) int {
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return re.HTTPStatusCode()
	}
	return 0
}

// errorCode returns the error code of S3's response, or "". The SDK has no types
// for most codes.
func errorCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
