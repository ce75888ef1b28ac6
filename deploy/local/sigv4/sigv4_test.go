package sigv4_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/deploy/local/sigv4"
)

var (
	creds = sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	noon  = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// server responds "in:" and the body to the requests that Require accepts.
func server(t *testing.T, c sigv4.Credentials, o sigv4.Options) *httptest.Server {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s := httptest.NewServer(sigv4.Require(c, o, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("in:"), b...))
	})))
	t.Cleanup(s.Close)
	return s
}

// request returns a request whose path is sent as written.
func request(t *testing.T, method, base, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	return r
}

func do(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func sdkCreds(c sigv4.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}
}

// signS3 signs r as the SDK's S3 client does, with the path escaped once.
func signS3(t *testing.T, r *http.Request, c sigv4.Credentials, region string, at time.Time, hash string) {
	t.Helper()
	r.Header.Set("X-Amz-Content-Sha256", hash)
	err := v4.NewSigner().SignHTTP(t.Context(), sdkCreds(c), r, hash, "s3", region, at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
}

// presign returns the path and query of the presigned URL for r.
func presign(t *testing.T, r *http.Request, at time.Time, expires string) string {
	t.Helper()
	q := r.URL.Query()
	q.Set("X-Amz-Expires", expires)
	r.URL.RawQuery = q.Encode()
	u, _, err := v4.NewSigner().PresignHTTP(t.Context(), sdkCreds(creds), r, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", at,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u, "http://"+r.URL.Host)
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestRequireAcceptsRequestsSignedBySDK(t *testing.T) {
	t.Parallel()
	s := server(t, creds, sigv4.Options{})
	for _, tc := range []struct{ name, method, target, body string }{
		{"service", "GET", "/", ""},
		{"query without values", "GET", "/b?location", ""},
		{"query to be sorted", "GET", "/b?prefix=a%20b%2Bc&delimiter=%2F&list-type=2", ""},
		{"one query key twice", "GET", "/b?x-b=2&x-b=1&x=9", ""},
		{"plain put", "PUT", "/b/k.jpg", "hello"},
		{"parent folder in the path", "PUT", "/b/../x", "hello"},
		{"two slashes", "PUT", "/b//leading", "hello"},
		{"space, plus, percent", "PUT", "/b/a%20b%2Bc%25d", "hello"},
		{"unescaped plus", "PUT", "/b/a+b", "hello"},
		{"characters that clients escape differently", "PUT", "/b/a(b)!'*@:$", "hello"},
		{"unicode", "PUT", "/b/%C3%A9t%C3%A9/%F0%9F%93%B7", "hello"},
		{"an escaped slash", "PUT", "/b/a%2Fb", "hello"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, tc.method, s.URL, tc.target, tc.body)
			r.Header.Set("X-Amz-Meta-Note", "  two   blanks ")
			r.Header.Set("Content-Type", "image/jpeg")
			signS3(t, r, creds, "eu-west-1", noon.Add(-14*time.Minute), sha(tc.body))
			if code, _, body := do(t, r); code != 200 || body != "in:"+tc.body {
				t.Errorf("got %d %s, want 200 and the body", code, body)
			}
		})
	}
}

func TestRequireAcceptsAWSEscapedPath(t *testing.T) {
	t.Parallel()
	s := server(t, creds, sigv4.Options{})
	r := request(t, "GET", s.URL, "/b/a%28b%29", "")
	signS3(t, r, creds, "eu-west-1", noon, emptyHash)
	r.URL.RawPath, r.URL.Path = "/b/a(b)", "/b/a(b)" // signed escaped, sent unescaped
	if code, _, body := do(t, r); code != 200 {
		t.Errorf("got %d %s, want 200", code, body)
	}
}

func TestRequireRefuses(t *testing.T) {
	t.Parallel()
	locked := creds
	locked.Region = "eu-west-1"
	s := server(t, locked, sigv4.Options{})
	other := func(mod func(*sigv4.Credentials)) sigv4.Credentials { c := creds; mod(&c); return c }
	for _, tc := range []struct {
		name   string
		creds  sigv4.Credentials
		region string
		at     time.Time
		after  func(*http.Request) // changes the request after signing
		status int
		code   string
	}{
		{"no signature", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "AccessDenied"},
		{"an older scheme", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("Authorization", "AWS AKID:c2ln") }, 400, "InvalidRequest"},
		{"wrong secret", other(func(c *sigv4.Credentials) { c.SecretAccessKey = "x" }), "eu-west-1", noon, nil, 403, "SignatureDoesNotMatch"},
		{"unknown key", other(func(c *sigv4.Credentials) { c.AccessKeyID = "x" }), "eu-west-1", noon, nil, 403, "InvalidAccessKeyId"},
		{"wrong region", creds, "us-east-1", noon, nil, 400, "AuthorizationHeaderMalformed"},
		{"clock 16 minutes late", creds, "eu-west-1", noon.Add(-16 * time.Minute), nil, 403, "RequestTimeTooSkewed"},
		{"clock 16 minutes early", creds, "eu-west-1", noon.Add(16 * time.Minute), nil, 403, "RequestTimeTooSkewed"},
		{"other method", creds, "eu-west-1", noon, func(r *http.Request) { r.Method = "DELETE" }, 403, "SignatureDoesNotMatch"},
		{"other path", creds, "eu-west-1", noon, func(r *http.Request) { r.URL.Path = "/b/other" }, 403, "SignatureDoesNotMatch"},
		{"more query", creds, "eu-west-1", noon, func(r *http.Request) { r.URL.RawQuery = "tagging" }, 403, "SignatureDoesNotMatch"},
		{"a semicolon in the query", creds, "eu-west-1", noon, func(r *http.Request) { r.URL.RawQuery = "a;tagging" }, 400, "InvalidURI"},
		{"other payload hash", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sha("x")) }, 403, "SignatureDoesNotMatch"},
		{"no payload hash", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, 400, "InvalidRequest"},
		{"other date", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260304T120001Z") }, 403, "SignatureDoesNotMatch"},
		{"date of another day", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260305T120001Z") }, 400, "AuthorizationHeaderMalformed"},
		{"no date", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 403, "AccessDenied"},
		{"changed signed header", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "2") }, 403, "SignatureDoesNotMatch"},
		{"unsigned S3 header", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "b/secret") }, 403, "AccessDenied"},
		{"a session token", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, 400, "InvalidToken"},
		{"two Authorization headers", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Add("Authorization", "x") }, 400, "InvalidArgument"},
		{"header and query", creds, "eu-west-1", noon, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=x" }, 400, "InvalidArgument"},
		{"broken header", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a") }, 400, "AuthorizationHeaderMalformed"},
		{"no fields", creds, "eu-west-1", noon, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256") }, 400, "AuthorizationHeaderMalformed"},
		{"a field twice", creds, "eu-west-1", noon, func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")+", Signature=00")
		}, 400, "AuthorizationHeaderMalformed"},
		{"host not signed", creds, "eu-west-1", noon, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host;", ";", 1))
		}, 403, "AccessDenied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "PUT", s.URL, "/b/k", "hello")
			r.Header.Set("X-Amz-Meta-A", "1")
			signS3(t, r, tc.creds, tc.region, tc.at, sha("hello"))
			if tc.after != nil {
				tc.after(r)
			}
			code, h, body := do(t, r)
			if code != tc.status || !strings.Contains(body, "<Code>"+tc.code+"</Code>") || h.Get("Content-Type") != "application/xml" {
				t.Errorf("got %d %s %s, want %d %s", code, h.Get("Content-Type"), body, tc.status, tc.code)
			}
			if strings.Contains(body, tc.creds.SecretAccessKey) && len(tc.creds.SecretAccessKey) > 1 {
				t.Error("the response contains the secret")
			}
		})
	}
}

// TestRequireWithoutCredentialsRefusesAll signs requests with the same
// incomplete credentials that the server has.
func TestRequireWithoutCredentialsRefusesAll(t *testing.T) {
	t.Parallel()
	for _, c := range []sigv4.Credentials{{}, {AccessKeyID: "id"}, {SecretAccessKey: "secret"}} {
		s := server(t, c, sigv4.Options{})
		r := request(t, "GET", s.URL, "/b", "")
		signS3(t, r, c, "eu-west-1", noon, emptyHash)
		if code, _, _ := do(t, r); code < 400 {
			t.Errorf("%+v: got status %d, want the request refused", c, code)
		}
	}
}

func TestPresignedURLs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		expires string
		at      time.Time
		change  func(target string) string
		header  string
		status  int
		code    string
	}{
		{"fresh", "900", noon, nil, "", 200, ""},
		{"in the last second", "900", noon.Add(-900 * time.Second), nil, "", 200, ""},
		{"expired", "900", noon.Add(-901 * time.Second), nil, "", 403, "AccessDenied"},
		{"old, but long", "604800", noon.Add(-6 * 24 * time.Hour), nil, "", 200, ""},
		{"from the future", "900", noon.Add(time.Hour), nil, "", 403, "AccessDenied"},
		{"longer than a week", "604801", noon, nil, "", 400, "AuthorizationQueryParametersError"},
		{"negative", "-1", noon, nil, "", 400, "AuthorizationQueryParametersError"},
		{"not a number", "soon", noon, nil, "", 400, "AuthorizationQueryParametersError"},
		{"expiry changed after signing", "1", noon.Add(-time.Hour), func(u string) string { return strings.Replace(u, "Expires=1", "Expires=86400", 1) }, "", 403, "SignatureDoesNotMatch"},
		{"expiry given twice", "1", noon.Add(-time.Hour), func(u string) string { return u + "&X-Amz-Expires=86400" }, "", 400, "AuthorizationQueryParametersError"},
		{"other key", "900", noon, func(u string) string { return strings.Replace(u, "/b/k", "/b/j", 1) }, "", 403, "SignatureDoesNotMatch"},
		{"more query", "900", noon, func(u string) string { return u + "&tagging" }, "", 403, "SignatureDoesNotMatch"},
		{"signature cut", "900", noon, func(u string) string { return u[:len(u)-2] }, "", 403, "SignatureDoesNotMatch"},
		{"copy source header added", "900", noon, nil, "X-Amz-Copy-Source", 403, "AccessDenied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := server(t, creds, sigv4.Options{})
			target := presign(t, request(t, "PUT", s.URL, "/b/k", ""), tc.at, tc.expires)
			if tc.change != nil {
				target = tc.change(target)
			}
			r := request(t, "PUT", s.URL, target, "hello")
			if tc.header != "" {
				r.Header.Set(tc.header, "b/other")
			}
			code, _, body := do(t, r)
			if code != tc.status || tc.code != "" && !strings.Contains(body, tc.code) {
				t.Errorf("got %d %s, want %d %s", code, body, tc.status, tc.code)
			}
		})
	}
}

// TestAWSExamples verifies the examples in AWS's documentation.
func TestAWSExamples(t *testing.T) {
	t.Parallel()
	c := sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", Region: "us-east-1"}
	may24 := func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }
	s := server(t, c, sigv4.Options{Now: may24})
	get := request(t, "GET", s.URL, "/test.txt", "")
	get.Host = "examplebucket.s3.amazonaws.com"
	get.Header.Set("Range", "bytes=0-9")
	get.Header.Set("X-Amz-Date", "20130524T000000Z")
	get.Header.Set("X-Amz-Content-Sha256", emptyHash)
	get.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"+
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	if code, _, body := do(t, get); code != 200 {
		t.Errorf("GET: got %d %s, want 200", code, body)
	}
	pre := request(t, "GET", s.URL, "/test.txt?"+strings.Join([]string{
		"X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=" + url.QueryEscape("AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
		"X-Amz-Date=20130524T000000Z", "X-Amz-Expires=86400", "X-Amz-SignedHeaders=host",
		"X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
	}, "&"), "")
	pre.Host = "examplebucket.s3.amazonaws.com"
	if code, _, body := do(t, pre); code != 200 {
		t.Errorf("presigned: got %d %s, want 200", code, body)
	}
}

func TestOtherServices(t *testing.T) {
	t.Parallel()
	s := server(t, creds, sigv4.Options{Service: "sqs", MaxBodyBytes: 64})
	send := func(t *testing.T, signed, sent string, service string) (int, http.Header, string) {
		t.Helper()
		r := request(t, "POST", s.URL, "/1/queue%20a", sent)
		r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		if err := v4.NewSigner().SignHTTP(t.Context(), sdkCreds(creds), r, sha(signed), service, "eu-west-1", noon); err != nil {
			t.Fatal(err)
		}
		return do(t, r)
	}
	if code, _, body := send(t, "{}", "{}", "sqs"); code != 200 || body != "in:{}" {
		t.Errorf("signed: got %d %s", code, body)
	}
	code, h, body := send(t, "{}", "[]", "sqs")
	var response struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal([]byte(body), &response); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if code != 403 || response.Type != "com.amazon.coral.service#InvalidSignatureException" || h.Get("X-Amzn-Query-Error") != "SignatureDoesNotMatch;Sender" {
		t.Errorf("other body: got %d %s %s", code, h.Get("X-Amzn-Query-Error"), body)
	}
	if code, _, body := send(t, "{}", "{}", "s3"); code != 400 || !strings.Contains(body, "IncompleteSignature") {
		t.Errorf("a signature for S3: got %d %s", code, body)
	}
	big := strings.Repeat("x", 65)
	if code, _, body := send(t, big, big, "sqs"); code != 413 {
		t.Errorf("too large: got %d %s", code, body)
	}
	anonymous := request(t, "POST", s.URL, "/", "{}")
	if code, h, body := do(t, anonymous); code != 403 || !strings.Contains(body, "MissingAuthenticationToken") || h.Get("Content-Type") != "application/x-amz-json-1.0" {
		t.Errorf("anonymous: got %d %s", code, body)
	}
}
