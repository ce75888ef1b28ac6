package s3server_test

import (
	"net"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// subResources are those of S3, and an unknown one.
var subResources = []string{
	"acl", "tagging", "torrent", "retention", "legal-hold", "restore", "select", "attributes", "encryption", "renameObject", "annotation",
	"policy", "policyStatus", "lifecycle", "cors", "website", "logging", "notification", "replication", "requestPayment", "accelerate",
	"analytics", "inventory", "metrics", "object-lock", "ownershipControls", "publicAccessBlock", "intelligent-tiering", "versions",
	"versioning", "location", "uploads", "delete", "session", "metadataTable", "abac", "surprise", "partNumber=1", "tagging&uploadId=x", "append&position=0",
}

// A request with an unsupported sub-resource never acts on the object or the bucket.
func TestUnknownSubResourcesTouchNothing(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "precious")
	events := len(h.Events(t))
	for _, sub := range subResources {
		for _, method := range []string{"PUT", "POST", "DELETE"} {
			for _, target := range []string{"/" + bucket + "/k", "/" + bucket, "/another"} {
				if method == "POST" && (sub == "uploads" && strings.HasSuffix(target, "/k") || sub == "delete") {
					continue // these are understood
				}
				status, _, body := h.Do(t, s3test.Request{Method: method, Target: target + "?" + sub, Body: "<Tagging><TagSet/></Tagging>"})
				if status < 400 || !strings.Contains(body, "<Code>") {
					t.Errorf("%s %s?%s: got %d %s", method, target, sub, status, body)
				}
				if status != 501 && !strings.Contains(sub, "uploadId") {
					t.Errorf("%s %s?%s: got %d, want 501", method, target, sub, status)
				}
			}
		}
	}
	if got, _ := h.Get(t, "k"); got != "precious" {
		t.Errorf("the object became %q", got)
	}
	if n := len(h.Events(t)); n != events {
		t.Errorf("%d events more", n-events)
	}
	out, err := h.Client.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(out.Buckets) != 1 {
		t.Errorf("buckets %v, %v", out.Buckets, err)
	}
}

func TestUnknownReadsDoNotReturnTheObject(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "precious")
	for _, sub := range subResources {
		status, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/" + bucket + "/k?" + sub})
		if sub == "tagging" || sub == "partNumber=1" {
			continue
		}
		if status < 400 || strings.Contains(body, "precious") {
			t.Errorf("GET ?%s: got %d %s", sub, status, body)
		}
	}
}

func TestMisleadingRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		q      s3test.Request
		status int
	}{
		{"an empty upload id on a put", s3test.Request{Method: "PUT", Target: "/uploads/k?uploadId=&partNumber=1", Body: "x"}, 404},
		{"an empty upload id on a delete", s3test.Request{Method: "DELETE", Target: "/uploads/k?uploadId="}, 404},
		{"an empty upload id on a get", s3test.Request{Method: "GET", Target: "/uploads/k?uploadId="}, 404},
		{"a part without its upload", s3test.Request{Method: "PUT", Target: "/uploads/k?partNumber=1", Body: "x"}, 501},
		{"a version", s3test.Request{Method: "DELETE", Target: "/uploads/k?versionId=abc"}, 404},
		{"an empty version", s3test.Request{Method: "DELETE", Target: "/uploads/k?versionId="}, 404},
		{"a version to read", s3test.Request{Method: "GET", Target: "/uploads/k?versionId=abc"}, 404},
		{"a semicolon before a sub-resource", s3test.Request{Method: "PUT", Target: "/uploads/k?a;tagging", Body: "x"}, 400},
		{"a bad escape before a sub-resource", s3test.Request{Method: "PUT", Target: "/uploads/k?%zz&tagging", Body: "x"}, 400},
		{"a form upload", s3test.Request{Method: "POST", Target: "/uploads", Body: "--b\r\n", Header: map[string]string{"Content-Type": "multipart/form-data; boundary=b"}}, 405},
		{"an object with POST", s3test.Request{Method: "POST", Target: "/uploads/k", Body: "x"}, 405},
		{"a bucket with objects and x-minio-force-delete", s3test.Request{Method: "DELETE", Target: "/uploads", Header: map[string]string{"X-Minio-Force-Delete": "true"}}, 409},
		{"an append", s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "x", Header: map[string]string{"X-Amz-Write-Offset-Bytes": "8"}}, 501},
		{"an append, in the query of a presigned URL", s3test.Request{Method: "PUT", Target: "/uploads/k?X-Amz-Write-Offset-Bytes=8", Body: "x"}, 501},
		{"tags", s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "x", Header: map[string]string{"X-Amz-Tagging": "a=b"}}, 501},
		{"a key of the client", s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "x", Header: map[string]string{"X-Amz-Server-Side-Encryption-Customer-Key": "a"}}, 501},
		{"a lock", s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "x", Header: map[string]string{"X-Amz-Object-Lock-Mode": "COMPLIANCE"}}, 501},
		{"no length", s3test.Request{Method: "PATCH", Target: "/uploads/k"}, 405},
		{"no bucket", s3test.Request{Method: "PUT", Target: "//k", Body: "x"}, 400},
		{"no such bucket", s3test.Request{Method: "PUT", Target: "/missing/k", Body: "x"}, 404},
		{"the service with PUT", s3test.Request{Method: "PUT", Target: "/", Body: "x"}, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := s3test.Fresh(t)
			h.Put(t, "k", "precious")
			if status, _, body := h.Do(t, tc.q); status != tc.status {
				t.Errorf("got %d %s, want %d", status, body, tc.status)
			}
			if got, _ := h.Get(t, "k"); got != "precious" {
				t.Errorf("the object became %q", got)
			}
		})
	}
}

func TestIgnoredParametersPass(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "v")
	for _, target := range []string{"?versionId=null", "?x-id=GetObject", "?X-Amz-Expires=5", "?x-anything=1"} {
		if status, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/" + bucket + "/k" + target}); status != 200 || body != "v" {
			t.Errorf("%s: got %d %s", target, status, body)
		}
	}
}

// By default SDKs put the bucket into the host name.
func TestBucketInTheHost(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(h.Unsigned.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"uploads.localhost:" + port, "uploads.localhost"} {
		header := map[string]string{"Host": host}
		if status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/a//b%20c", Body: "hello", Header: header}); status != 200 {
			t.Errorf("put: got %d %s", status, body)
		}
		if got, _ := h.Get(t, "a//b c"); got != "hello" {
			t.Errorf("got %q", got)
		}
		if _, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/?list-type=2", Header: header}); !strings.Contains(body, "<Key>a//b c</Key>") {
			t.Errorf("list: %s", body)
		}
	}
	if _, _, body := h.Do(t, s3test.Request{Method: "GET", Target: "/", Header: map[string]string{"Host": "localhost:" + port}}); !strings.Contains(body, "<ListAllMyBucketsResult") {
		t.Errorf("a host without a bucket: %s", body)
	}
	if out, err := h.Client.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(bucket)}); err != nil || aws.ToString(out.BucketRegion) != "us-east-1" {
		t.Errorf("region: %v %v", out, err)
	}
}

// A web page must neither read from nor write to the local stack.
func TestNoCORSHeaders(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "v")
	status, head, _ := h.Do(t, s3test.Request{Method: "OPTIONS", Target: "/" + bucket + "/k", Header: map[string]string{
		"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT",
	}})
	if status < 400 {
		t.Errorf("preflight: got %d", status)
	}
	for _, target := range []string{"/" + bucket + "/k", "/" + bucket, "/", "/missing/k"} {
		_, got, _ := h.Do(t, s3test.Request{Method: "GET", Target: target, Header: map[string]string{"Origin": "https://evil.example"}})
		for name := range got {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s: %s", target, name, got.Get(name))
			}
		}
	}
	if head.Get("Access-Control-Allow-Origin") != "" {
		t.Error("preflight allows an origin")
	}
}
