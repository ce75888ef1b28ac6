package uploads

import (
	"errors"
	"net/http"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answered is an error as the SDK gives it for an answer of S3.
func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err},
	}}
}

func TestIsNotFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"no answer", errors.New("connection refused"), false},
		{"a key that is gone", answered(404, &types.NoSuchKey{}), true},
		{"HEAD, whose answer has no body", answered(404, &types.NotFound{}), true},
		{"a bucket that is gone", answered(404, &smithy.GenericAPIError{Code: "NoSuchBucket"}), false},
		{"the same, typed", answered(404, &types.NoSuchBucket{}), false},
		{"refused", answered(403, &smithy.GenericAPIError{Code: "AccessDenied"}), false},
	} {
		if got := isNotFound(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
