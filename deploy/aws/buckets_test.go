package aws_test

import (
	"fmt"
	"strings"
	"testing"
)

// checkStores checks that buckets and tables are private, encrypted and
// retained.
func checkStores(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	buckets := s.of("AWS::S3::Bucket")
	if len(buckets) != 3 {
		wrong("buckets: got %v, want uploads, thumbnails and failures", buckets)
	}
	for _, name := range buckets {
		r := s.Resources[name]
		if text := r.Properties["BucketName"].(string); len(text) > 63 || text != strings.ToLower(text) {
			wrong("%s: got the bucket name %q, want lower case and at most 63 bytes", name, text)
		}
		if get(r.Properties, "BucketEncryption", "ServerSideEncryptionConfiguration", "0", "ServerSideEncryptionByDefault", "SSEAlgorithm") == nil {
			wrong("%s is not encrypted", name)
		}
		for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if get(r.Properties, "PublicAccessBlockConfiguration", block) != true {
				wrong("%s: %s is not set, so it may be public", name, block)
			}
		}
		if r.Attributes["DeletionPolicy"] != "Retain" || r.Attributes["UpdateReplacePolicy"] != "Retain" {
			wrong("%s is deleted with the stack, want DeletionPolicy and UpdateReplacePolicy Retain", name)
		}
		unfinished := false
		rules, _ := get(r.Properties, "LifecycleConfiguration", "Rules").([]any)
		for _, rule := range rules {
			unfinished = unfinished || get(rule, "AbortIncompleteMultipartUpload") != nil
			if days := number(get(rule, "ExpirationInDays")); name != "FailuresBucket" && days > 0 {
				wrong("%s: got objects expired after %d days, want them kept", name, days)
			} else if name == "FailuresBucket" && days > 0 && days <= 14 {
				wrong("%s: got objects expired after %d days, want more than the 14 of the dead letters that point to them", name, days)
			}
		}
		if !unfinished {
			wrong("%s keeps incomplete multipart uploads forever", name)
		}
		arn := fmt.Sprint(s.attribute(name, "Arn"))
		if !onlyTLS(s.Resources[name+"Policy"].Properties, arn, arn+"/*") {
			wrong("%s accepts requests without TLS", name)
		}
	}
	for _, name := range []string{"RecordsTable", "StateTable"} {
		r := s.Resources[name]
		p := r.Properties
		if p["BillingMode"] != "PAY_PER_REQUEST" {
			wrong("%s: got BillingMode %v, want PAY_PER_REQUEST", name, p["BillingMode"])
		}
		if get(p, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true {
			wrong("%s has no point-in-time recovery", name)
		}
		if get(p, "KeySchema", "0", "AttributeName") != "PK" || get(p, "KeySchema", "1", "AttributeName") != "SK" ||
			get(p, "KeySchema", "0", "KeyType") != "HASH" || get(p, "KeySchema", "1", "KeyType") != "RANGE" {
			wrong("%s: got the keys %v, want PK and SK", name, p["KeySchema"])
		}
		for i := range 2 {
			if get(p, "AttributeDefinitions", fmt.Sprint(i), "AttributeType") != "S" {
				wrong("%s: got the keys %v, want strings", name, p["AttributeDefinitions"])
			}
		}
		if r.Attributes["DeletionPolicy"] != "Retain" || r.Attributes["UpdateReplacePolicy"] != "Retain" {
			wrong("%s is deleted with the stack, want DeletionPolicy and UpdateReplacePolicy Retain", name)
		}
	}
	if got := get(s.Resources["RecordsTable"].Properties, "StreamSpecification", "StreamViewType"); got != "NEW_AND_OLD_IMAGES" {
		wrong("RecordsTable: got StreamViewType %v, want both images", got)
	}
	if s.Resources["StateTable"].Properties["StreamSpecification"] != nil {
		wrong("StateTable: got a stream, want none")
	}
	if got := s.Resources["StateTable"].Properties["TimeToLiveSpecification"]; get(got, "AttributeName") != "expires" || get(got, "Enabled") != true {
		wrong("StateTable: got TimeToLiveSpecification %v, want the attribute expires", got)
	}
	return problems
}

// onlyTLS reports whether a policy denies every action on the resources without
// TLS.
func onlyTLS(policy map[string]any, resources ...string) bool {
	statements, _ := get(policy, "PolicyDocument", "Statement").([]any)
	for _, st := range statements {
		if get(st, "Effect") != "Deny" || get(st, "Principal") != "*" || fmt.Sprint(get(st, "Condition", "Bool", "aws:SecureTransport")) != "false" ||
			!strings.HasSuffix(fmt.Sprint(get(st, "Action")), ":*") {
			continue
		}
		covered := 0
		for _, want := range resources {
			for _, has := range list(get(st, "Resource")) {
				if has == want || has == "*" {
					covered++
					break
				}
			}
		}
		if covered == len(resources) {
			return true
		}
	}
	return false
}

// checkNotifications checks that S3 event notifications reach the uploads
// queue, from the uploads bucket of this account only, and without a dependency
// cycle.
func checkNotifications(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	bucket := s.Resources["UploadsBucket"]
	want := map[string]bool{"s3:ObjectCreated:*": false, "s3:ObjectRemoved:*": false, "s3:LifecycleExpiration:DeleteMarkerCreated": false}
	configurations, _ := get(bucket.Properties, "NotificationConfiguration", "QueueConfigurations").([]any)
	for _, c := range configurations {
		event := fmt.Sprint(get(c, "Event"))
		if _, ok := want[event]; !ok || get(c, "Queue") != s.attribute("UploadsQueue", "Arn") {
			wrong("UploadsBucket: got the event %[2]s for %[1]v, want only its events for UploadsQueue", get(c, "Queue"), event)
		}
		want[event] = true
	}
	for event, found := range want {
		if !found {
			wrong("UploadsBucket: got no notification of %s", event)
		}
	}
	for _, other := range []string{"ThumbnailsBucket", "FailuresBucket"} {
		if s.Resources[other].Properties["NotificationConfiguration"] != nil {
			wrong("%s: got notifications, want none: a worker's writes would invoke it again", other)
		}
	}
	if bucket.Attributes["DependsOn"] != "UploadsQueuePolicy" {
		wrong("UploadsBucket: got no DependsOn UploadsQueuePolicy: the queue must accept notifications first")
	}
	raw := fmt.Sprint(s.raw("UploadsQueuePolicy"), s.raw("UploadsQueue"), s.raw("UploadsDeadQueue"))
	if strings.Contains(raw, "UploadsBucket") {
		wrong("dependency cycle: the queue or its policy refers to UploadsBucket, which depends on the policy")
	}
	allowed := false
	statements, _ := get(s.Resources["UploadsQueuePolicy"].Properties, "PolicyDocument", "Statement").([]any)
	for _, st := range statements {
		if get(st, "Effect") != "Allow" {
			continue
		}
		allowed = true
		if get(st, "Principal", "Service") != "s3.amazonaws.com" || get(st, "Action") != "sqs:SendMessage" || get(st, "Resource") != s.attribute("UploadsQueue", "Arn") {
			wrong("UploadsQueuePolicy allows %v %v on %v", get(st, "Principal"), get(st, "Action"), get(st, "Resource"))
		}
		if got := get(st, "Condition", "ArnEquals", "aws:SourceArn"); got != s.attribute("UploadsBucket", "Arn") {
			wrong("UploadsQueuePolicy: got the SourceArn %v, want %v", got, s.attribute("UploadsBucket", "Arn"))
		}
		if got := get(st, "Condition", "StringEquals", "aws:SourceAccount"); got != account {
			wrong("UploadsQueuePolicy: got the SourceAccount %v, want the account", got)
		}
	}
	if !allowed {
		wrong("UploadsQueuePolicy: got no Allow for S3 event notifications")
	}
	secure := map[any]bool{}
	for _, name := range s.of("AWS::SQS::QueuePolicy") {
		p := s.Resources[name].Properties
		queues, _ := p["Queues"].([]any)
		for _, q := range queues {
			secure[q] = name != "UploadsQueuePolicy" && onlyTLS(p, "*") || name == "UploadsQueuePolicy" && onlyTLS(p, fmt.Sprint(s.attribute("UploadsQueue", "Arn")))
		}
	}
	for _, name := range s.of("AWS::SQS::Queue") {
		if !secure[s.ref(name)] {
			wrong("%s accepts requests without TLS", name)
		}
	}
	return problems
}

func TestBucketsAndTablesArePrivateAndRetained(t *testing.T) {
	t.Parallel()
	report(t, checkStores(deploy(t, nil)))
	long := deploy(t, map[string]string{"Name": "a-name-of-20-letters"})
	report(t, checkStores(long))
}

func TestNotificationsReachTheUploadsQueue(t *testing.T) {
	t.Parallel()
	report(t, checkNotifications(deploy(t, nil)))
}
