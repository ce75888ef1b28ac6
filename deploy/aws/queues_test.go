package aws_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/deploy/functions"
	"sluice/workers/setup"
)

const day = 24 * 3600

// checkQueues compares queues with the timeouts, attempts and retention that
// their functions need.
func checkQueues(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, name := range s.of("AWS::SQS::Queue") {
		if s.Resources[name].Properties["SqsManagedSseEnabled"] != true {
			wrong("%s is not encrypted", name)
		}
		// S3 drops event notifications to a queue with a limit below 64 KB.
		if limit, ok := s.Resources[name].Properties["MaximumMessageSize"]; ok && number(limit) < 1<<20 {
			wrong("%s: got the MaximumMessageSize %v, want the limit of SQS", name, limit)
		}
	}
	for _, f := range queueFunctions() {
		name := f.name
		queue, dead, fn := s.Resources[name+"Queue"].Properties, s.Resources[name+"DeadQueue"].Properties, s.Resources[name+"Function"].Properties
		mapping := s.Resources[name+"Mapping"].Properties
		timeout := number(fn["Timeout"])
		if v := number(queue["VisibilityTimeout"]); timeout < 1 || v < functions.VisibilityFactor*timeout+max(number(mapping["MaximumBatchingWindowInSeconds"]), 0) {
			wrong("%sQueue: got the VisibilityTimeout %d s, want at least %d times the function's timeout of %d s", name, v, functions.VisibilityFactor, timeout)
		}
		received, attempts := number(get(queue, "RedrivePolicy", "maxReceiveCount")), number(get(fn, "Environment", "Variables", "MAX_ATTEMPTS"))
		// Half of the receives are left for those that are no attempt, such as
		// a record that was not started.
		if attempts < setup.MaxAttempts || received < 2*attempts {
			wrong("%sQueue: got maxReceiveCount %d and MAX_ATTEMPTS %d, want at least twice as many receives as attempts, and %d attempts", name, received, attempts, setup.MaxAttempts)
		}
		if arn := s.attribute(name+"DeadQueue", "Arn"); get(queue, "RedrivePolicy", "deadLetterTargetArn") != arn {
			wrong("%sQueue: got the dead-letter queue %v, want %v", name, get(queue, "RedrivePolicy", "deadLetterTargetArn"), arn)
		}
		if got := get(dead, "RedriveAllowPolicy", "sourceQueueArns", "0"); got != s.attribute(name+"Queue", "Arn") {
			wrong("%sDeadQueue: got the RedriveAllowPolicy for %v, want its source queue", name, got)
		}
		// A dead letter's retention of 14 days begins when its message was
		// sent, so the time in the source queue counts.
		if r := number(queue["MessageRetentionPeriod"]); r < day || r > 4*day {
			wrong("%sQueue: got the MessageRetentionPeriod %d s, want 1 to 4 days", name, r)
		}
		if reserve, err := time.ParseDuration(fmt.Sprint(get(fn, "Environment", "Variables", "RESERVE"))); err != nil || reserve >= time.Duration(timeout)*time.Second/4 {
			wrong("%sFunction: got RESERVE %v, want less than a quarter of the timeout of %d s", name, reserve, timeout)
		}
	}
	for _, f := range lambdas {
		if r := number(s.Resources[f.name+"DeadQueue"].Properties["MessageRetentionPeriod"]); r != 14*day {
			wrong("%sDeadQueue: got the MessageRetentionPeriod %d s, want 14 days", f.name, r)
		}
		want := s.ref(f.name + "DeadQueue")
		if got := s.environ(f)["DEAD_LETTER_QUEUE_URL"]; got != want {
			wrong("%sFunction: got DEAD_LETTER_QUEUE_URL %s, want %s", f.name, got, want)
		}
		if f.Source.Queue != "" {
			if got, want := s.environ(f)["SOURCE_QUEUE_URL"], s.ref(f.name+"Queue"); got != want {
				wrong("%sFunction: got SOURCE_QUEUE_URL %s, want %s", f.name, got, want)
			}
		}
	}
	return problems
}

func TestQueuesFitTheirFunctions(t *testing.T) {
	t.Parallel()
	report(t, checkQueues(deploy(t, nil)))
}

// checkMappings compares the event source mappings with the workers' responses
// and limits.
func checkMappings(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if got := s.of("AWS::Lambda::EventSourceMapping"); len(got) != len(lambdas) {
		wrong("mappings: got %v, want one per function", got)
	}
	for _, f := range lambdas {
		m := s.Resources[f.name+"Mapping"].Properties
		if m["FunctionName"] != s.ref(f.name+"Function") {
			wrong("%sMapping: got the function %v, want its own", f.name, m["FunctionName"])
		}
		if types, _ := m["FunctionResponseTypes"].([]any); !slices.Equal(types, []any{"ReportBatchItemFailures"}) {
			wrong("%sMapping: got the FunctionResponseTypes %v, want ReportBatchItemFailures: without it partial failures are lost", f.name, m["FunctionResponseTypes"])
		}
	}
	for _, f := range queueFunctions() {
		name := f.name
		m := s.Resources[name+"Mapping"].Properties
		if m["EventSourceArn"] != s.attribute(name+"Queue", "Arn") {
			wrong("%sMapping: got the source %v, want its queue", name, m["EventSourceArn"])
		}
		if c := number(get(m, "ScalingConfig", "MaximumConcurrency")); c < 2 || c > 1000 {
			wrong("%sMapping: got MaximumConcurrency %d, want 2 to 1000", name, c)
		}
		if b := number(m["BatchSize"]); b < 1 || b > 10 && number(m["MaximumBatchingWindowInSeconds"]) < 1 {
			wrong("%sMapping: got BatchSize %d, want 1 to 10, or a batching window", name, b)
		}
	}
	for _, f := range streamFunctions() {
		m := s.Resources[f.name+"Mapping"].Properties
		if m["EventSourceArn"] != s.attribute(logicalName(f.Source.Stream)+"Table", "StreamArn") {
			wrong("%sMapping: got the source %v, want its stream", f.name, m["EventSourceArn"])
		}
		if m["BisectBatchOnFunctionError"] != true {
			wrong("%sMapping: got BisectBatchOnFunctionError off, want true: otherwise a failing record blocks its batch", f.name)
		}
		if age := number(m["MaximumRecordAgeInSeconds"]); age < 3600 || age > 12*3600 {
			wrong("%sMapping: got MaximumRecordAgeInSeconds %d, want 1 to 12 hours of the 24 of the stream", f.name, age)
		}
		if m["StartingPosition"] != "TRIM_HORIZON" {
			wrong("%sMapping: got StartingPosition %v, want TRIM_HORIZON: LATEST skips changes before the first poll", f.name, m["StartingPosition"])
		}
		if to := get(m, "DestinationConfig", "OnFailure", "Destination"); to != s.attribute("FailuresBucket", "Arn") {
			wrong("%sMapping: got OnFailure %v, want the failures bucket: only a bucket receives the whole records", f.name, to)
		}
		if p := number(m["ParallelizationFactor"]); p < 1 || p > 10 {
			wrong("%sMapping: got ParallelizationFactor %d, want 1 to 10", f.name, p)
		}
	}
	return problems
}

func TestMappingsFitTheirFunctions(t *testing.T) {
	t.Parallel()
	report(t, checkMappings(deploy(t, nil)))
}
