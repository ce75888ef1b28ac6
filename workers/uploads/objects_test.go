package uploads

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answered returns the error of the SDK for a response of S3.
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
		{"no response", errors.New("connection refused"), false},
		{"a key that is gone", answered(404, &types.NoSuchKey{}), true},
		{"HEAD, whose response has no body", answered(404, &types.NotFound{}), true},
		{"a bucket that is gone", answered(404, &smithy.GenericAPIError{Code: "NoSuchBucket"}), false},
		{"the same, typed", answered(404, &types.NoSuchBucket{}), false},
		{"refused", answered(403, &smithy.GenericAPIError{Code: "AccessDenied"}), false},
	} {
		if got := isNotFound(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestResponsesOfS3 reads responses as S3 gives them through the SDK, which has types
// for few of them.
func TestResponsesOfS3(t *testing.T) {
	t.Parallel()
	type kind int
	const (
		plain kind = iota
		gone
		denied
	)
	rows := []struct {
		call   string
		status int
		code   string // empty in responses to HEAD
		want   kind
	}{
		{"GET", 404, "NoSuchKey", gone},
		{"GET", 404, "NoSuchVersion", gone},
		{"GET", 404, "NoSuchBucket", plain},
		{"GET", 403, "AccessDenied", denied},
		{"GET", 403, "InvalidObjectState", plain}, // archived
		{"GET", 403, "SignatureDoesNotMatch", plain},
		{"GET", 403, "RequestTimeTooSkewed", plain},
		{"GET", 500, "InternalError", plain},
		{"GET", 301, "PermanentRedirect", plain},
		{"HEAD", 404, "", gone},
		{"HEAD", 403, "", denied},
		{"HEAD", 500, "", plain},
		{"DELETE", 404, "NoSuchBucket", plain},
	}
	for _, r := range rows {
		t.Run(fmt.Sprint(r.call, r.status, r.code), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(r.status)
				if r.code != "" {
					fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>As S3 says</Message></Error>`, r.code)
				}
			}))
			t.Cleanup(server.Close)
			client := s3.New(s3.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, Retryer: aws.NopRetryer{},
				Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
			})
			var err error
			switch r.call {
			case "GET":
				_, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
			case "HEAD":
				_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
			case "DELETE":
				_, err = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
			}
			if err == nil {
				t.Fatal("no error")
			}
			if got := isNotFound(err); got != (r.want == gone) {
				t.Errorf("gone: got %v of %v", got, err)
			}
			wrapped := readError("b", "k", err)
			if _, got := errors.AsType[*AccessDeniedError](wrapped); got != (r.want == denied) {
				t.Errorf("denied: got %v of %v", got, err)
			}
			if !errors.Is(wrapped, err) {
				t.Errorf("%v does not wrap %v", wrapped, err)
			}
		})
	}
}
