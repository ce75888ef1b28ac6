package main

// Prices in US dollars, of the region us-east-1, without free tiers and discounts
// by volume, so that the sum is what the next unit costs. Those of Lambda, SQS and
// DynamoDB were read on pages about AWS's prices of 2024 to 2026, the others are
// from memory: hold them against aws.amazon.com/<service>/pricing before money
// depends on them.
const (
	priceRegion = "us-east-1"
	priceDate   = "2026-11"

	priceGBSecond    = 0.0000133334 // Lambda on arm64, the first 7.5 billion a month
	priceInvocation  = 0.20 / 1e6   // Lambda
	priceSQS         = 0.40 / 1e6   // a request of up to 64 KB, standard queues
	priceS3Write     = 0.005 / 1e3  // PUT, LIST
	priceS3Read      = 0.0004 / 1e3 // GET, HEAD
	priceDBWrite     = 0.625 / 1e6  // DynamoDB on demand, 1 KB
	priceDBRead      = 0.125 / 1e6  // DynamoDB on demand, 4 KB, consistent
	priceLogGB       = 0.50         // CloudWatch Logs, taken in
	priceMail        = 0.10 / 1e3   // SES
	priceAlarmMonth  = 0.10         // CloudWatch, a metric
	priceMetricMonth = 0.30         // CloudWatch, a metric of one's own
	priceBoardMonth  = 3.00         // CloudWatch, a dashboard
)

// What the template has whatever the load: its tests hold these numbers to it.
const (
	alarms         = 22 // CloudWatch alarms
	givenBackCount = 4  // metrics of the log filters
	dashboards     = 1
	mappingCounts  = 4 // mappings that count their events
	polledQueues   = 3
	// A mapping of a queue with EventCount has five metrics: polled, filtered out,
	// invoked, failed, deleted. One of a stream has six: dropped and delivered to
	// its destination, and not deleted.
	metricsOfQueue  = 5
	metricsOfStream = 6
	mappingMetrics  = polledQueues*metricsOfQueue + (mappingCounts-polledQueues)*metricsOfStream
)

// An idle queue is polled all the same: by five pollers, each of which waits up
// to 20 seconds for a message.
const (
	idlePollers  = 5
	longPoll     = 20 // seconds
	daySeconds   = 24 * 3600
	monthDays    = 30
	idleRequests = polledQueues * idlePollers * daySeconds / longPoll // a day
)

// fixedMonth is what the stack costs a month without any load.
func fixedMonth() float64 {
	return alarms*priceAlarmMonth + (givenBackCount+mappingMetrics)*priceMetricMonth + dashboards*priceBoardMonth +
		idleRequests*monthDays*priceSQS
}
