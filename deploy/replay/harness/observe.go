package harness

import (
	"context"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// An Observer is told of each operation that a worker asks of AWS, once,
// whatever came of it: the service as the SDK names it ("S3", "SQS"), the
// operation ("PutObject"), and what it was asked of. That is bucket/key for
// objects, with ?versionId= behind it where one was named; a queue's URL; a
// table's name; a topic's ARN; a sender. An error that it returns is what comes
// of the operation, and nothing is sent. It must be safe for concurrent use.
type Observer func(service, operation, resource string) error

// Observe tells o of what the workers ask that are built from now on in this
// process. What the rig itself asks of its backends is not told.
func (r *Harness) Observe(o Observer) { r.observe = o }

// observed is the configuration of a worker's clients.
func (r *Harness) observed() aws.Config {
	config := r.config.Copy()
	observe := r.observe
	if observe == nil {
		return config
	}
	tell := middleware.InitializeMiddlewareFunc("SluiceObserve", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		err := observe(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), resourceOf(in.Parameters))
		if err != nil {
			return middleware.InitializeOutput{}, middleware.Metadata{}, err
		}
		return next.HandleInitialize(ctx, in)
	})
	config.APIOptions = append(slices.Clip(config.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(tell, middleware.After)
	})
	return config
}

// resourceOf is what an operation's input names.
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
