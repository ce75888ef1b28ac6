package admin

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Clients are the SDK's clients of a local stack.
type Clients struct {
	S3  *s3.Client
	SQS *sqs.Client
}

// NewClients returns clients of the stack at r. A nil transport is
// [NewTransport].
func NewClients(r Runtime, transport http.RoundTripper) Clients {
	if transport == nil {
		transport = NewTransport()
	}
	cfg := aws.Config{
		Region:       Region,
		BaseEndpoint: &r.URL,
		Credentials:  credentials.NewStaticCredentialsProvider(r.AccessKey, r.SecretKey, ""),
		HTTPClient:   &http.Client{Transport: transport, Timeout: 10 * time.Minute},
	}
	return Clients{
		S3:  s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		SQS: sqs.NewFromConfig(cfg),
	}
}

// NewTransport returns a transport without a proxy: the stack is on this
// machine.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = 64
	return t
}
