package harness

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// A Wire stands between a worker and its backends and tells of each operation
// that crosses it, however the worker's clients were built: in this process or
// another. It is an http.Handler; AWS_ENDPOINT_URL names it. Requests go on as
// they are, so signatures stay good. Retries are told of too.
type Wire struct {
	// Backends are the base URLs, by the names of the SDK's variables: DYNAMODB,
	// DYNAMODB_STREAMS, SQS, S3. One that is missing is Otherwise's.
	Backends map[string]string
	// Otherwise answers what has no backend. Nil: 501.
	Otherwise http.Handler
	// Observe is told before a request goes on; an error ends it with status 500.
	Observe Observer
}

// targets are the services that name their operation in a header, and how an
// Observer knows them.
var targets = map[string]struct{ backend, service string }{
	"AmazonSQS":                {"SQS", "SQS"},
	"DynamoDB_20120810":        {"DYNAMODB", "DynamoDB"},
	"DynamoDBStreams_20120810": {"DYNAMODB_STREAMS", "DynamoDB Streams"},
}

// objectOperations are S3's, by the method of a request for an object.
var objectOperations = map[string]string{
	http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
}

func (w *Wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	backend, service, operation, resource := "", "", "", ""
	target, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch t, ok := targets[target]; {
	case ok:
		backend, service, operation, resource = t.backend, t.service, name, namedIn(body)
	case strings.HasPrefix(r.URL.Path, "/v2/email/"):
		backend, service, operation = "SESV2", "SESv2", "SendEmail"
	case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		form, _ := url.ParseQuery(string(body))
		backend, service, operation, resource = "SNS", "SNS", form.Get("Action"), form.Get("TopicArn")
	default:
		backend, service, operation, resource = "S3", "S3", objectOperations[r.Method], strings.TrimPrefix(r.URL.Path, "/")
		if bucket, key, _ := strings.Cut(resource, "/"); key == "" || r.Method == http.MethodPost {
			operation, resource = r.Method+" of a bucket", bucket
		} else if v := r.URL.Query().Get("versionId"); v != "" {
			resource += "?versionId=" + v
		}
	}
	if w.Observe != nil {
		if err := w.Observe(service, operation, resource); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	to, err := url.Parse(w.Backends[backend])
	if w.Backends[backend] == "" || err != nil {
		if w.Otherwise == nil {
			http.Error(rw, "no backend for "+service, http.StatusNotImplemented)
			return
		}
		w.Otherwise.ServeHTTP(rw, r)
		return
	}
	proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = p.In.Host // it is signed
	}}
	proxy.ServeHTTP(rw, r)
}

// namedIn is the resource that a request in JSON names.
func namedIn(body []byte) string {
	var in struct{ QueueUrl, TableName, StreamArn, ShardIterator string }
	if json.Unmarshal(body, &in) != nil {
		return ""
	}
	for _, name := range []string{in.QueueUrl, in.TableName, in.StreamArn} {
		if name != "" {
			return name
		}
	}
	return ""
}
