package aws_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

// A rule is the place of a value that must be present and that another check
// compares with the code.
type rule struct{ of string }

var (
	byQueues    = rule{"checkQueues"}
	byMappings  = rule{"checkMappings"}
	byWiring    = rule{"checkVariables, checkWiring"}
	byRoles     = rule{"checkRoles"}
	byDashboard = rule{"checkDashboard"}
)

type (
	props = map[string]any
	items = []any
)

// A shape is the complete description of a resource: additional and missing
// properties are errors. Values are resolved as CloudFormation does.
type shape struct {
	typ        string
	properties props
	attributes props // DeletionPolicy, DependsOn, Condition, Metadata
}

var kept = props{"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}

// shapes returns all resources of the stack by their logical names.
func (s *stack) shapes() map[string]shape {
	all := map[string]shape{
		"AlarmTopic": {typ: "AWS::SNS::Topic", properties: props{"TopicName": s.parameters["Name"] + "-alarms"}},
		"Dashboard":  {typ: "AWS::CloudWatch::Dashboard", properties: props{"DashboardName": s.parameters["Name"], "DashboardBody": byDashboard}},
	}
	if email := s.parameters["AlarmEmail"]; email != "" {
		all["AlarmSubscription"] = shape{
			"AWS::SNS::Subscription",
			props{"TopicArn": s.ref("AlarmTopic"), "Protocol": "email", "Endpoint": email},
			props{"Condition": "HasAlarmEmail"},
		}
	}
	if s.parameters["RunBy"] == "container" {
		all["TaskPolicy"] = shape{
			"AWS::IAM::ManagedPolicy",
			props{"Description": rule{"IAM's console"}, "PolicyDocument": props{"Version": "2012-10-17", "Statement": byRoles}},
			props{"Condition": "ByContainer"},
		}
	}
	s.bucketShapes(all)
	s.queueShapes(all)
	s.tableShapes(all)
	for _, f := range lambdas {
		s.functionShapes(f, all)
	}
	s.alarmShapes(all)
	return all
}

func (s *stack) bucketShapes(all map[string]shape) {
	old := map[string]items{
		"Uploads": {props{
			"Id": "old-versions", "Status": "Enabled", "NoncurrentVersionExpiration": props{"NoncurrentDays": 7}, "ExpiredObjectDeleteMarker": true,
		}},
		"Failures": {props{"Id": "old-failures", "Status": "Enabled", "ExpirationInDays": 90}}, // dead letters are kept for 14 days
	}
	for _, stem := range []string{"Uploads", "Thumbnails", "Failures"} {
		name := stem + "Bucket"
		arn := fmt.Sprint(s.attribute(name, "Arn"))
		p := props{
			"BucketName": fmt.Sprintf("%s-%s-%s-%s", s.parameters["Name"], strings.ToLower(stem), account, region),
			"BucketEncryption": props{"ServerSideEncryptionConfiguration": items{
				props{"ServerSideEncryptionByDefault": props{"SSEAlgorithm": "AES256"}},
			}},
			"PublicAccessBlockConfiguration": props{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
			"OwnershipControls":              props{"Rules": items{props{"ObjectOwnership": "BucketOwnerEnforced"}}},
			"LifecycleConfiguration": props{"Rules": append(items{
				props{"Id": "unfinished-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": props{"DaysAfterInitiation": 3}},
			}, old[stem]...)},
		}
		attributes := maps.Clone(kept)
		if stem == "Uploads" {
			attributes["DependsOn"] = "UploadsQueuePolicy"
			p["VersioningConfiguration"] = props{"Status": "Enabled"}
			queue := s.attribute("UploadsQueue", "Arn")
			p["NotificationConfiguration"] = props{"QueueConfigurations": items{
				props{"Event": "s3:ObjectCreated:*", "Queue": queue},
				props{"Event": "s3:ObjectRemoved:*", "Queue": queue},
				props{"Event": "s3:LifecycleExpiration:DeleteMarkerCreated", "Queue": queue},
			}}
		}
		all[name] = shape{"AWS::S3::Bucket", p, attributes}
		all[name+"Policy"] = shape{typ: "AWS::S3::BucketPolicy", properties: props{
			"Bucket": s.ref(name), "PolicyDocument": policy(denyWithoutTLS("s3:*", items{arn, arn + "/*"})),
		}}
	}
}

// policy returns a policy document with exactly these statements.
func policy(statements ...any) props {
	return props{"Version": "2012-10-17", "Statement": statements}
}

func denyWithoutTLS(action string, resource any) props {
	return props{
		"Sid": "OnlyTLS", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource,
		"Condition": props{"Bool": props{"aws:SecureTransport": false}},
	}
}

func (s *stack) queueShapes(all map[string]shape) {
	others := items{}
	for _, f := range lambdas {
		name, dead := f.name+"Queue", f.name+"DeadQueue"
		queueName := s.parameters["Name"] + "-" + f.Name
		deadLetters := props{"QueueName": queueName + "-dead", "SqsManagedSseEnabled": true, "MessageRetentionPeriod": byQueues}
		if f.Source.Queue != "" {
			deadLetters["RedriveAllowPolicy"] = props{"redrivePermission": "byQueue", "sourceQueueArns": items{s.attribute(name, "Arn")}}
			all[name] = shape{typ: "AWS::SQS::Queue", properties: props{
				"QueueName": queueName, "SqsManagedSseEnabled": true, "VisibilityTimeout": byQueues, "MessageRetentionPeriod": byQueues,
				"RedrivePolicy": props{"deadLetterTargetArn": s.attribute(dead, "Arn"), "maxReceiveCount": byQueues},
			}}
			if f.Source.Queue != functions.QueueUploads {
				others = append(others, s.ref(name))
			}
		}
		others = append(others, s.ref(dead))
		all[dead] = shape{typ: "AWS::SQS::Queue", properties: deadLetters}
	}
	queue := s.attribute("UploadsQueue", "Arn")
	all["UploadsQueuePolicy"] = shape{typ: "AWS::SQS::QueuePolicy", properties: props{
		"Queues": items{s.ref("UploadsQueue")},
		"PolicyDocument": policy(props{
			"Sid": "NoticesOfTheBucket", "Effect": "Allow", "Principal": props{"Service": "s3.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": queue,
			"Condition": props{
				"ArnEquals":    props{"aws:SourceArn": s.attribute("UploadsBucket", "Arn")},
				"StringEquals": props{"aws:SourceAccount": account},
			},
		}, denyWithoutTLS("sqs:*", queue)),
	}}
	all["OtherQueuesPolicy"] = shape{typ: "AWS::SQS::QueuePolicy", properties: props{
		"Queues": others, "PolicyDocument": policy(denyWithoutTLS("sqs:*", "*")),
	}}
}

func (s *stack) tableShapes(all map[string]shape) {
	for _, stem := range []string{"Records", "State"} {
		p := props{
			"TableName": s.parameters["Name"] + "-" + strings.ToLower(stem), "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions":             items{props{"AttributeName": "PK", "AttributeType": "S"}, props{"AttributeName": "SK", "AttributeType": "S"}},
			"KeySchema":                        items{props{"AttributeName": "PK", "KeyType": "HASH"}, props{"AttributeName": "SK", "KeyType": "RANGE"}},
			"PointInTimeRecoverySpecification": props{"PointInTimeRecoveryEnabled": true},
		}
		if stem == "Records" {
			p["StreamSpecification"] = props{"StreamViewType": "NEW_AND_OLD_IMAGES"}
		} else {
			p["TimeToLiveSpecification"] = props{"AttributeName": "expires", "Enabled": true}
		}
		all[stem+"Table"] = shape{"AWS::DynamoDB::Table", p, kept}
	}
}

// functionShapes adds a function, its log, its role and its mapping. A mapping
// has no filter, because Lambda deletes filtered records.
func (s *stack) functionShapes(f function, all map[string]shape) {
	name, lower := f.name, f.Name
	all[name+"Function"] = shape{
		"AWS::Serverless::Function",
		props{
			"FunctionName": s.parameters["Name"] + "-" + lower, "Runtime": "provided.al2023", "Architectures": items{"arm64"}, "Handler": "bootstrap",
			"CodeUri": ".", "Timeout": byQueues, "MemorySize": s.parameters[logicalName(f.Worker)+"Memory"], "Role": s.attribute(name+"Role", "Arn"),
			// Without a log level: the alarms read the log line of a batch,
			// which is INFO.
			"LoggingConfig": props{"LogFormat": "JSON", "LogGroup": s.ref(name + "Log")},
			"Environment":   props{"Variables": byWiring},
		},
		props{"Metadata": props{"BuildMethod": "makefile", "WorkingDirectory": "../.."}},
	}
	all[name+"Log"] = shape{
		"AWS::Logs::LogGroup",
		props{"LogGroupName": "/aws/lambda/" + s.parameters["Name"] + "-" + lower, "RetentionInDays": s.parameters["LogRetentionDays"]},
		props{"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"},
	}
	all[name+"Role"] = shape{typ: "AWS::IAM::Role", properties: props{
		"AssumeRolePolicyDocument": policy(props{"Effect": "Allow", "Principal": props{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}),
		"Policies":                 items{props{"PolicyName": "worker", "PolicyDocument": props{"Version": "2012-10-17", "Statement": byRoles}}},
	}}
	m := props{
		"FunctionName": s.ref(name + "Function"), "Enabled": s.parameters["RunBy"] == "lambda", "BatchSize": byMappings,
		"FunctionResponseTypes": items{"ReportBatchItemFailures"}, "MetricsConfig": props{"Metrics": items{"EventCount"}},
	}
	if f.Source.Stream != "" {
		maps.Copy(m, props{
			"EventSourceArn": s.attribute(logicalName(f.Source.Stream)+"Table", "StreamArn"), "StartingPosition": "TRIM_HORIZON",
			"ParallelizationFactor": s.parameters[name+"Parallelization"], "BisectBatchOnFunctionError": true,
			"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": byMappings,
			"DestinationConfig": props{"OnFailure": props{"Destination": s.attribute("FailuresBucket", "Arn")}},
		})
	} else {
		m["EventSourceArn"] = s.attribute(name+"Queue", "Arn")
		m["ScalingConfig"] = props{"MaximumConcurrency": s.parameters[name+"Concurrency"]}
	}
	all[name+"Mapping"] = shape{typ: "AWS::Lambda::EventSourceMapping", properties: m}
}

// checkShapes compares every resource with its shape. Unknown resources and
// properties are errors.
func checkShapes(s *stack) (problems []error) {
	want := s.shapes()
	for name, r := range s.Resources {
		if _, ok := want[name]; !ok {
			problems = append(problems, fmt.Errorf("%s (%s) is unknown to the tests: add its shape", name, r.Type))
		}
	}
	for name, w := range want {
		r, ok := s.Resources[name]
		if !ok {
			problems = append(problems, fmt.Errorf("%s is missing", name))
			continue
		}
		if r.Type != w.typ {
			problems = append(problems, fmt.Errorf("%s: Type %s, want %s", name, r.Type, w.typ))
		}
		problems = differ(problems, name, r.Properties, w.properties)
		if len(r.Attributes)+len(w.attributes) > 0 {
			problems = differ(problems, name, r.Attributes, w.attributes)
		}
	}
	return problems
}

// differ adds a problem for each place at which got differs from want. Numbers
// and texts are compared as text.
func differ(problems []error, place string, got, want any) []error {
	switch want := want.(type) {
	case rule:
		if got == nil || got == "" {
			problems = append(problems, fmt.Errorf("%s is missing; %s needs it", place, want.of))
		}
	case props:
		m, ok := got.(map[string]any)
		if !ok {
			return append(problems, fmt.Errorf("%s: got %v, want %v", place, got, want))
		}
		for k, w := range want {
			problems = differ(problems, place+"."+k, m[k], w)
		}
		for k := range m {
			if _, ok := want[k]; !ok {
				problems = append(problems, fmt.Errorf("%s.%s: got %v, which is unknown to the tests", place, k, m[k]))
			}
		}
	case items:
		l, ok := got.([]any)
		if !ok || len(l) != len(want) {
			return append(problems, fmt.Errorf("%s: got %v, want %v", place, got, want))
		}
		for i, w := range want {
			problems = differ(problems, fmt.Sprint(place, ".", i), l[i], w)
		}
	default:
		if got == nil || fmt.Sprint(got) != fmt.Sprint(want) {
			problems = append(problems, fmt.Errorf("%s: got %v, want %v", place, got, want))
		}
	}
	return problems
}

func TestResourcesHaveTheirShapes(t *testing.T) {
	t.Parallel()
	report(t, checkShapes(deploy(t, nil)))
	report(t, checkShapes(deploy(t, optional)))
}
