package main

import "sluice/deploy/functions"

// Prices in US dollars in us-east-1, without free tiers and volume discounts,
// so the sum is the marginal cost. The prices of Lambda, SQS and DynamoDB are
// from pages about AWS prices of 2024 to 2026, the others from memory: compare
// them with aws.amazon.com/<service>/pricing before you rely on them.
const (
	priceRegion = "us-east-1"
	priceDate   = "2026-11"

	priceGBSecond    = 0.0000133334 // Lambda on arm64, the first 7.5 billion per month
	priceInvocation  = 0.20 / 1e6   // Lambda
	priceSQS         = 0.40 / 1e6   // request of up to 64 KB, standard queues
	priceS3Write     = 0.005 / 1e3  // PUT, LIST
	priceS3Read      = 0.0004 / 1e3 // GET, HEAD
	priceDBWrite     = 0.625 / 1e6  // DynamoDB on demand, 1 KB
	priceDBRead      = 0.125 / 1e6  // DynamoDB on demand, 4 KB, consistent
	priceLogGB       = 0.50         // CloudWatch Logs, ingestion
	priceMail        = 0.10 / 1e3   // SES
	priceAlarmMonth  = 0.10         // CloudWatch, alarm on one metric
	priceMetricMonth = 0.30         // CloudWatch, custom metric
	priceBoardMonth  = 3.00         // CloudWatch, dashboard
)

// Resources of the template that cost the same under any load. Each function
// has four alarms and a metric filter, a queue function one more alarm, a
// stream function three more. A test compares the numbers with the template.
var (
	functionCount = len(functions.Mapped())
	polledQueues  = countQueueFunctions()
	streams       = functionCount - polledQueues
	alarms        = 4*functionCount + polledQueues + 3*streams
	metricFilters = functionCount
)

const (
	dashboards = 1
	// A mapping of a queue with EventCount has five metrics: polled, filtered
	// out, invoked, failed, deleted. One of a stream has six: dropped and
	// delivered to its destination, and not deleted.
	metricsOfQueue  = 5
	metricsOfStream = 6
)

func countQueueFunctions() (n int) {
	for _, f := range functions.Mapped() {
		if f.Source.Queue != "" {
			n++
		}
	}
	return n
}

// An idle queue is polled by five pollers, each of which waits up to 20 seconds
// for a message.
const (
	idlePollers = 5
	longPoll    = 20 // seconds
	daySeconds  = 24 * 3600
	monthDays   = 30
)

// fixedMonth returns the monthly cost of the stack without load.
func fixedMonth() float64 {
	metrics := metricFilters + polledQueues*metricsOfQueue + streams*metricsOfStream
	idleRequests := polledQueues * idlePollers * daySeconds / longPoll // per day
	return float64(alarms)*priceAlarmMonth + float64(metrics)*priceMetricMonth + dashboards*priceBoardMonth +
		float64(idleRequests*monthDays)*priceSQS
}
