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

// RecordingProxy is an http.Handler between a worker and its backends that
// reports each operation, retries included. The worker may run in this process
// or in another: AWS_ENDPOINT_URL is the proxy's address. Requests are passed on
// unchanged, so that their signatures stay valid.
type RecordingProxy struct {
	// Backends are the base URLs by the service in the SDK's variables: DYNAMODB,
	// DYNAMODB_STREAMS, SQS, S3.
	Backends map[string]string
	// Otherwise handles the requests that have no backend. Nil responds with
	// status 501.
	Otherwise http.Handler
	// Observe is called before a request is passed on. An error ends the request
	// with status 500. Nil observes nothing.
	Observe Observer
}

// targets are the services whose requests name their operation in a header, with
// the names that an Observer sees.
var targets = map[string]struct{ backend, service string }{
	"AmazonSQS":                {"SQS", "SQS"},
	"DynamoDB_20120810":        {"DYNAMODB", "DynamoDB"},
	"DynamoDBStreams_20120810": {"DYNAMODB_STREAMS", "DynamoDB Streams"},
}

// objectOperations are the operations of S3, by the method of a request for an
// object.
var objectOperations = map[string]string{
	http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
}

func (p *RecordingProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
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
	if p.Observe != nil {
		if err := p.Observe(service, operation, resource); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	to, err := url.Parse(p.Backends[backend])
	if p.Backends[backend] == "" || err != nil {
		if p.Otherwise == nil {
			http.Error(w, "no backend for "+service, http.StatusNotImplemented)
			return
		}
		p.Otherwise.ServeHTTP(w, r)
		return
	}
	proxy := httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // the signature covers it
	}}
	proxy.ServeHTTP(w, r)
}

// namedIn returns the resource that a JSON request names.
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
