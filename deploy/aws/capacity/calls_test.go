package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// responses is a transport that responds to every request with the same body:
// the benchmark measures the SDK without network and TLS.
type responses string

func (body responses) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "Etag": {`"e"`}},
		Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, nil
}

// BenchmarkCalls measures the CPU time of one call to AWS, on which the
// defaults of the flags -*-cpu are based.
func BenchmarkCalls(b *testing.B) {
	config := func(response string) aws.Config {
		return aws.Config{
			Region: "us-east-1", HTTPClient: &http.Client{Transport: responses(response)},
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		}
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	item := map[string]types.AttributeValue{"PK": text("image#uploads/a.jpg"), "SK": text("image"), "status": text("ready"), "version": text("v"), "source": text(strings.Repeat("x", 600))}
	body := strings.Repeat("m", 800)
	db, queue, objects := dynamodb.NewFromConfig(config("{}")), sqs.NewFromConfig(config(`{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"6ffd0a41ea4dfe4f6a1a1ab35e17a39f"}]}`)), s3.NewFromConfig(config(""))
	for name, call := range map[string]func(context.Context) error{
		"GetItem": func(ctx context.Context) error {
			_, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: map[string]types.AttributeValue{"PK": item["PK"], "SK": item["SK"]}})
			return err
		},
		"PutItem": func(ctx context.Context) error {
			_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: item})
			return err
		},
		"SendMessageBatch": func(ctx context.Context) error {
			_, err := queue.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
				QueueUrl: aws.String("https://sqs.us-east-1.amazonaws.com/123456789012/q"),
				Entries:  []sqstypes.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: &body}},
			}, func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
			return err
		},
		"HeadObject": func(ctx context.Context) error {
			_, err := objects.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
			return err
		},
		"PutObject": func(ctx context.Context) error {
			_, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader(strings.Repeat("t", 8<<10))})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := call(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
