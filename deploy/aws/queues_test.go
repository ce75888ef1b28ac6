package aws_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/workers/setup"
)

const day = 24 * 3600

// sources are the functions that a queue calls.
var sources = []string{"Uploads", "Jobs", "Notifications"}

// checkQueues holds queues to the timeouts, attempts and retention of what works
// them off.
func checkQueues(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, name := range s.of("AWS::SQS::Queue") {
		if s.Resources[name].Properties["SqsManagedSseEnabled"] != true {
			wrong("%s is not encrypted", name)
		}
		// S3 loses notices to a queue that takes less than 64 KB.
		if limit, ok := s.Resources[name].Properties["MaximumMessageSize"]; ok && number(limit) < 1<<20 {
			wrong("%s takes messages of %v bytes at most: want SQS's own limit", name, limit)
		}
	}
	for _, name := range sources {
		queue, dead, fn := s.Resources[name+"Queue"].Properties, s.Resources[name+"DeadQueue"].Properties, s.Resources[name+"Function"].Properties
		mapping := s.Resources[name+"Mapping"].Properties
		timeout := number(fn["Timeout"])
		if v := number(queue["VisibilityTimeout"]); timeout < 1 || v < 6*timeout+max(number(mapping["MaximumBatchingWindowInSeconds"]), 0) {
			wrong("%sQueue: VisibilityTimeout %d s is below six times the function's timeout of %d s", name, v, timeout)
		}
		received, attempts := number(get(queue, "RedrivePolicy", "maxReceiveCount")), number(get(fn, "Environment", "Variables", "MAX_ATTEMPTS"))
		// Receives that say nothing against a message count too: half are left for them.
		if attempts < setup.MaxAttempts || received < 2*attempts {
			wrong("%sQueue: maxReceiveCount %d against MAX_ATTEMPTS %d: want twice that, and %d attempts to outlive an outage", name, received, attempts, setup.MaxAttempts)
		}
		if arn := s.attribute(name+"DeadQueue", "Arn"); get(queue, "RedrivePolicy", "deadLetterTargetArn") != arn {
			wrong("%sQueue: its dead letters go to %v, want %v", name, get(queue, "RedrivePolicy", "deadLetterTargetArn"), arn)
		}
		if got := get(dead, "RedriveAllowPolicy", "sourceQueueArns", "0"); got != s.attribute(name+"Queue", "Arn") {
			wrong("%sDeadQueue: RedriveAllowPolicy is for %v", name, got)
		}
		// A letter keeps the time at which its message was sent, so what is left of
		// its 14 days is less by what the message waited.
		if r := number(queue["MessageRetentionPeriod"]); r < day || r > 4*day {
			wrong("%sQueue: MessageRetentionPeriod %d s, want at most 4 days", name, r)
		}
		if reserve, err := time.ParseDuration(fmt.Sprint(get(fn, "Environment", "Variables", "RESERVE"))); err != nil || reserve >= time.Duration(timeout)*time.Second/4 {
			wrong("%sFunction: RESERVE %v against a timeout of %d s", name, reserve, timeout)
		}
	}
	for _, f := range functions {
		if r := number(s.Resources[f.name+"DeadQueue"].Properties["MessageRetentionPeriod"]); r != 14*day {
			wrong("%sDeadQueue: MessageRetentionPeriod %d s, want 14 days", f.name, r)
		}
		want := s.ref(f.name + "DeadQueue")
		if got := s.environ(f)["DEAD_LETTER_QUEUE_URL"]; got != want {
			wrong("%sFunction: DEAD_LETTER_QUEUE_URL is %s, want %s", f.name, got, want)
		}
		if slices.Contains(sources, f.name) {
			if got, want := s.environ(f)["SOURCE_QUEUE_URL"], s.ref(f.name+"Queue"); got != want {
				wrong("%sFunction: SOURCE_QUEUE_URL is %s, want %s", f.name, got, want)
			}
		}
	}
	return problems
}

func TestQueues(t *testing.T) {
	t.Parallel()
	report(t, checkQueues(deploy(t, nil)))
}

// checkMappings holds the event source mappings to what the workers answer and
// bear.
func checkMappings(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if got := s.of("AWS::Lambda::EventSourceMapping"); len(got) != len(functions) {
		wrong("mappings: got %v, want one a function", got)
	}
	for _, f := range functions {
		m := s.Resources[f.name+"Mapping"].Properties
		if m["FunctionName"] != s.ref(f.name+"Function") {
			wrong("%sMapping: calls %v", f.name, m["FunctionName"])
		}
		if types, _ := m["FunctionResponseTypes"].([]any); !slices.Equal(types, []any{"ReportBatchItemFailures"}) {
			wrong("%sMapping: FunctionResponseTypes %v: without ReportBatchItemFailures every failure is forgotten", f.name, m["FunctionResponseTypes"])
		}
	}
	for _, name := range sources {
		m := s.Resources[name+"Mapping"].Properties
		if m["EventSourceArn"] != s.attribute(name+"Queue", "Arn") {
			wrong("%sMapping: reads %v", name, m["EventSourceArn"])
		}
		if c := number(get(m, "ScalingConfig", "MaximumConcurrency")); c < 2 || c > 1000 {
			wrong("%sMapping: MaximumConcurrency %d is not between 2 and 1000", name, c)
		}
		if b := number(m["BatchSize"]); b < 1 || b > 10 && number(m["MaximumBatchingWindowInSeconds"]) < 1 {
			wrong("%sMapping: BatchSize %d: above 10 it needs a window", name, b)
		}
	}
	m := s.Resources["ChangesMapping"].Properties
	if m["EventSourceArn"] != s.attribute("RecordsTable", "StreamArn") {
		wrong("ChangesMapping: reads %v", m["EventSourceArn"])
	}
	if m["BisectBatchOnFunctionError"] != true {
		wrong("ChangesMapping: BisectBatchOnFunctionError is off: a poisoned record would hold up its batch")
	}
	if age := number(m["MaximumRecordAgeInSeconds"]); age < 3600 || age > 12*3600 {
		wrong("ChangesMapping: MaximumRecordAgeInSeconds %d: want at most 12 hours of the stream's 24", age)
	}
	if m["StartingPosition"] != "TRIM_HORIZON" {
		wrong("ChangesMapping: StartingPosition %v: LATEST would lose what was written meanwhile", m["StartingPosition"])
	}
	if to := get(m, "DestinationConfig", "OnFailure", "Destination"); to != s.attribute("FailuresBucket", "Arn") {
		wrong("ChangesMapping: OnFailure is %v: only a bucket gets the whole record", to)
	}
	if p := number(m["ParallelizationFactor"]); p < 1 || p > 10 {
		wrong("ChangesMapping: ParallelizationFactor %d is not between 1 and 10", p)
	}
	return problems
}

func TestMappings(t *testing.T) {
	t.Parallel()
	report(t, checkMappings(deploy(t, nil)))
}
