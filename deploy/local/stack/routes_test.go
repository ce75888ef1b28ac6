package stack

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestServicesAreToldApart: one address serves S3, SQS and the admin API.
func TestServicesAreToldApart(t *testing.T) {
	t.Parallel()
	var got string
	to := func(name string) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got = name })
	}
	rt := services{admin: to("admin"), sqs: to("sqs"), s3: to("s3")}
	const form, json = "application/x-www-form-urlencoded; charset=utf-8", "application/x-amz-json-1.0"
	for _, tt := range []struct{ method, host, target, contentType, action, want string }{
		{"POST", "", "/", json, "AmazonSQS.SendMessage", "sqs"},
		{"POST", "", "/000000000000/jobs", json, "AmazonSQS.SendMessage", "sqs"},
		{"POST", "", "/", form, "", "sqs"},
		{"POST", "", "/000000000000/jobs", form, "", "sqs"},
		{"POST", "", "/000000000000/jobs.fifo", form, "", "sqs"},
		{"POST", "", "/", json, "DynamoDB_20120810.PutItem", "s3"}, // which refuses it
		// curl sends these as a form.
		{"POST", "", "/uploads/photo.jpg?uploads", form, "", "s3"},
		{"POST", "", "/uploads/photo.jpg?uploadId=1", form, "", "s3"},
		{"POST", "", "/uploads?delete", form, "", "s3"},
		{"POST", "", "/123456789012/photo.jpg?uploads", form, "", "s3"},
		{"POST", "", "/123456789012/a/photo.jpg?uploads", form, "", "s3"},
		{"POST", "", "/uploads/photo.jpg", form, "", "s3"},
		{"POST", "uploads.localhost:9324", "/?delete", form, "", "s3"},
		{"POST", "uploads.localhost:9324", "/photo.jpg?uploads", form, "", "s3"},
		{"PUT", "", "/000000000000/jobs", form, "", "s3"},
		{"GET", "", "/", "", "", "s3"},
		{"GET", "", "/-/idle", "", "", "admin"},
		{"POST", "", "/-/status", json, "AmazonSQS.SendMessage", "admin"},
	} {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		if tt.host != "" {
			r.Host = tt.host
		}
		r.Header.Set("Content-Type", tt.contentType)
		r.Header.Set("X-Amz-Target", tt.action)
		rt.ServeHTTP(httptest.NewRecorder(), r)
		if got != tt.want {
			t.Errorf("%s %s%s (%s %s): routed to %s, want %s", tt.method, tt.host, tt.target, tt.contentType, tt.action, got, tt.want)
		}
	}
}
