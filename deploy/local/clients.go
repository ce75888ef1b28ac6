package main

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// clients speak S3 and SQS to a home, as to AWS.
type clients struct {
	S3  *s3.Client
	SQS *sqs.Client
}

// newClients speaks to the home at a through transport; nil is the network.
func newClients(a address, transport http.RoundTripper) clients {
	if transport == nil {
		transport = newTransport()
	}
	cfg := aws.Config{
		Region:       region,
		BaseEndpoint: &a.URL,
		Credentials:  credentials.NewStaticCredentialsProvider(a.AccessKey, a.SecretKey, ""),
		HTTPClient:   &http.Client{Transport: transport, Timeout: 10 * time.Minute},
	}
	return clients{
		S3:  s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		SQS: sqs.NewFromConfig(cfg),
	}
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // it is this machine
	t.MaxIdleConnsPerHost = 64
	return t
}
