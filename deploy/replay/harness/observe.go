package harness

import (
	"context"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// An Observer is called before each operation of a worker on AWS: with the
// service as the SDK names it ("S3", "SQS"), the operation ("PutObject") and the
// resource. The resource is bucket/key for an object, with ?versionId= after it
// if the request names a version; or the URL of a queue, the name of a table, the
// ARN of a topic, or a sender. If the Observer returns an error, the operation
// fails with it and nothing is sent. It must be safe for concurrent use.
type Observer func(service, operation, resource string) error

// Observe makes o the Observer of the workers that are built after it in this
// process. The harness's own requests are not observed.
func (h *Harness) Observe(o Observer) { h.observe = o }

// observed returns the configuration of a worker's clients.
func (h *Harness) observed() aws.Config {
	config := h.config.Copy()
	observe := h.observe
	if observe == nil {
		return config
	}
	report := middleware.InitializeMiddlewareFunc("SluiceObserve", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		err := observe(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), resourceOf(in.Parameters))
		if err != nil {
			return middleware.InitializeOutput{}, middleware.Metadata{}, err
		}
		return next.HandleInitialize(ctx, in)
	})
	config.APIOptions = append(slices.Clip(config.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(report, middleware.After)
	})
	return config
}

// resourceOf returns the resource that an operation's input names.
func resourceOf(input any) string {
	v := reflect.Indirect(reflect.ValueOf(input))
	field := func(name string) string {
		if v.Kind() != reflect.Struct {
			return ""
		}
		if p, ok := v.FieldByName(name).Interface().(*string); ok && p != nil {
			return *p
		}
		return ""
	}
	has := func(name string) bool { return v.Kind() == reflect.Struct && v.FieldByName(name).IsValid() }
	switch {
	case has("Bucket") && has("Key"):
		resource := field("Bucket") + "/" + field("Key")
		if has("VersionId") && field("VersionId") != "" {
			resource += "?versionId=" + field("VersionId")
		}
		return resource
	default:
		for _, name := range []string{"Bucket", "QueueUrl", "TableName", "TopicArn", "FromEmailAddress"} {
			if has(name) {
				return field(name)
			}
		}
		return ""
	}
}
