package sqsserver_test

import (
	"encoding/xml"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/deploy/local/store"
)

const formType = "application/x-www-form-urlencoded; charset=utf-8"

// changing matches ids, handles and times, which differ from run to run.
var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Za-z0-9+/]{42}[A-Za-z0-9+/=]{2}|\b1[0-9]{9,12}\b`)

// recordedQueries are requests of AWS CLI 2.9.19 with their responses, in order.
var recordedQueries = []struct{ form, want string }{
	{
		`Action=CreateQueue&Version=2012-11-05&QueueName=jobs&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=30&Attribute.2.Name=DelaySeconds&Attribute.2.Value=0&Tag.1.Key=team&Tag.1.Value=a`,
		`<CreateQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><CreateQueueResult><QueueUrl>http://sqs.test/000000000000/jobs</QueueUrl></CreateQueueResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></CreateQueueResponse>`,
	},
	{
		`Action=GetQueueAttributes&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs&AttributeName.1=QueueArn&AttributeName.2=VisibilityTimeout`,
		`<GetQueueAttributesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><GetQueueAttributesResult><Attribute><Name>QueueArn</Name><Value>arn:aws:sqs:us-east-1:000000000000:jobs</Value></Attribute><Attribute><Name>VisibilityTimeout</Name><Value>30</Value></Attribute></GetQueueAttributesResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></GetQueueAttributesResponse>`,
	},
	{
		`Action=ListQueueTags&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs`,
		`<ListQueueTagsResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ListQueueTagsResult><Tag><Key>team</Key><Value>a</Value></Tag></ListQueueTagsResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></ListQueueTagsResponse>`,
	},
	{
		`Action=ListQueues&Version=2012-11-05&QueueNamePrefix=j`,
		`<ListQueuesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ListQueuesResult><QueueUrl>http://sqs.test/000000000000/jobs</QueueUrl></ListQueuesResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></ListQueuesResponse>`,
	},
	{
		`Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs&MessageBody=%7B%22type%22%3A%22a+b%22%2C%22x%22%3A%22%C3%A9%26%3D%2B%22%7D&DelaySeconds=0&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Number&MessageAttribute.1.Value.StringValue=7&MessageAttribute.2.Name=b&MessageAttribute.2.Value.DataType=Binary&MessageAttribute.2.Value.BinaryValue=AAEC`,
		`<SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageResult><MessageId>*</MessageId><MD5OfMessageBody>c2fc07c5b38c872f4de9b909d1ae22b6</MD5OfMessageBody><MD5OfMessageAttributes>a11d1ae0df4a6af157e89954ab635f7a</MD5OfMessageAttributes></SendMessageResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></SendMessageResponse>`,
	},
	{
		`Action=ReceiveMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs&AttributeName.1=ApproximateReceiveCount&MessageAttributeName.1=n&MessageAttributeName.2=b&MaxNumberOfMessages=10&WaitTimeSeconds=1`,
		`<ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult><Message><MessageId>*</MessageId><ReceiptHandle>*</ReceiptHandle><MD5OfBody>c2fc07c5b38c872f4de9b909d1ae22b6</MD5OfBody><Body>{&#34;type&#34;:&#34;a b&#34;,&#34;x&#34;:&#34;é&amp;=+&#34;}</Body><Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute><MD5OfMessageAttributes>a11d1ae0df4a6af157e89954ab635f7a</MD5OfMessageAttributes><MessageAttribute><Name>b</Name><Value><DataType>Binary</DataType><BinaryValue>AAEC</BinaryValue></Value></MessageAttribute><MessageAttribute><Name>n</Name><Value><DataType>Number</DataType><StringValue>7</StringValue></Value></MessageAttribute></Message></ReceiveMessageResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></ReceiveMessageResponse>`,
	},
	{
		`Action=SendMessageBatch&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=one&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=two&SendMessageBatchRequestEntry.2.DelaySeconds=901`,
		`<SendMessageBatchResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageBatchResult><SendMessageBatchResultEntry><Id>a</Id><MessageId>*</MessageId><MD5OfMessageBody>f97c5d29941bfb1b2fdab0874906ab82</MD5OfMessageBody></SendMessageBatchResultEntry><BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault><Code>InvalidParameterValue</Code><Message>Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be &gt;= 0 and &lt;= 900.</Message></BatchResultErrorEntry></SendMessageBatchResult><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></SendMessageBatchResponse>`,
	},
	{
		`Action=SetQueueAttributes&Version=2012-11-05&QueueUrl=http%3A%2F%2Fsqs.test%2F000000000000%2Fjobs&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40`,
		`<SetQueueAttributesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ResponseMetadata><RequestId>*</RequestId></ResponseMetadata></SetQueueAttributesResponse>`,
	},
	{
		`Action=GetQueueUrl&Version=2012-11-05&QueueName=none`,
		`<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist.</Message><Detail></Detail></Error><RequestId>*</RequestId></ErrorResponse>`,
	},
}

func TestQueryProtocolRespondsToRecordedRequests(t *testing.T) {
	t.Parallel()
	s := newService(t, store.Options{NoSync: true})
	for _, r := range recordedQueries {
		w := post(s, "", formType, r.form)
		got := changing.ReplaceAllString(strings.TrimPrefix(w.Body.String(), xml.Header), "*")
		if got != r.want {
			t.Errorf("%s\ngot  %s\nwant %s", r.form, got, r.want)
		}
		if w.Header().Get("Content-Type") != "text/xml" || (w.Code == 200) == strings.HasPrefix(r.want, "<Error") {
			t.Errorf("%s: %d, %q", r.form, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestQueryProtocolRefusesInvalidForms(t *testing.T) {
	t.Parallel()
	s := newService(t, store.Options{NoSync: true})
	if err := s.Create(t.Context(), "q", nil); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct{ form, code string }{
		"no action":            {`Version=2012-11-05`, "MissingAction"},
		"an unknown action":    {`Action=Nonsense`, "InvalidAction"},
		"no form":              {`%zz`, "MalformedQueryString"},
		"a number as text":     {`Action=ReceiveMessage&QueueUrl=q&MaxNumberOfMessages=many`, "InvalidParameterValue"},
		"no such part":         {`Action=GetQueueAttributes&QueueUrl=q&AttributeName.x=All`, "MalformedQueryString"},
		"part zero":            {`Action=GetQueueAttributes&QueueUrl=q&AttributeName.0=All`, "MalformedQueryString"},
		"one part twice":       {`Action=GetQueueAttributes&QueueUrl=q&AttributeName.1=All&AttributeName.01=All`, "MalformedQueryString"},
		"a name twice":         {`Action=TagQueue&QueueUrl=q&Tag.1.Key=a&Tag.1.Value=b&Tag.2.Key=a&Tag.2.Value=c`, "InvalidParameterValue"},
		"an attribute unnamed": {`Action=SetQueueAttributes&QueueUrl=q&Attribute.1.Value=b`, "MissingParameter"},
		"too deep":             {`Action=TagQueue&QueueUrl=q&a.b.c.d.e.f.g.h=1`, "MalformedQueryString"},
		"no UTF-8":             {`Action=SendMessage&QueueUrl=q&MessageBody=%ff`, "InvalidMessageContents"},
		"no XML character":     {`Action=SendMessage&QueueUrl=q&MessageBody=%01`, "InvalidMessageContents"},
		"an invalid binary":    {`Action=SendMessage&QueueUrl=q&MessageBody=x&MessageAttribute.1.Name=b&MessageAttribute.1.Value.DataType=Binary&MessageAttribute.1.Value.BinaryValue=*`, "SerializationException"},
		"list values":          {`Action=SendMessage&QueueUrl=q&MessageBody=x&MessageAttribute.1.Name=b&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringListValue.1=a`, "AWS.SimpleQueueService.UnsupportedOperation"},
		"no message":           {`Action=SendMessage&QueueUrl=q`, "MissingParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(s, "", formType, r.form)
			var got struct {
				Error struct{ Type, Code, Message string }
			}
			if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != 400 || got.Error.Type != "Sender" || got.Error.Code != r.code || got.Error.Message == "" {
				t.Errorf("got %d %+v, want %s", w.Code, got, r.code)
			}
		})
	}
}

// TestQueryTakesTheQueueFromThePath sends to the queue's URL without a QueueUrl.
func TestQueryTakesTheQueueFromThePath(t *testing.T) {
	t.Parallel()
	s := newService(t, store.Options{NoSync: true})
	if err := s.Create(t.Context(), "q", nil); err != nil {
		t.Fatal(err)
	}
	// The numbers give the order and may have gaps; ten comes after two.
	form := url.Values{"Action": {"SendMessageBatch"}}
	want := []string{"1", "2", "3", "5", "8", "9", "10", "11", "20", "100"}
	for _, n := range want {
		form.Set("SendMessageBatchRequestEntry."+n+".Id", n)
		form.Set("SendMessageBatchRequestEntry."+n+".MessageBody", "x")
	}
	r := httptest.NewRequest("POST", "http://sqs.test/000000000000/q", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", formType)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var got struct {
		Sent []string `xml:"SendMessageBatchResult>SendMessageBatchResultEntry>Id"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil || !slices.Equal(got.Sent, want) {
		t.Errorf("%v: %d %s", err, w.Code, w.Body)
	}
}
