package s3server_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// stream encodes an aws-chunked body. It signs the chunks if it has a key.
type stream struct {
	seed     string
	key      []byte
	scope    string
	stamp    string
	trailers []string
	trailing bool
}

func (s *stream) encode(chunks ...string) string {
	var b bytes.Buffer
	prev := s.seed
	for _, c := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(c))
		if s.key != nil {
			sum := sha256.Sum256([]byte(c))
			prev = hmacHex(s.key, strings.Join([]string{
				"AWS4-HMAC-SHA256-PAYLOAD", s.stamp, s.scope, prev,
				"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex.EncodeToString(sum[:]),
			}, "\n"))
			b.WriteString(";chunk-signature=" + prev)
		}
		b.WriteString("\r\n" + c)
		if c != "" {
			b.WriteString("\r\n")
		}
	}
	canonical := ""
	for _, t := range s.trailers {
		b.WriteString(t + "\r\n")
		canonical += t + "\n"
	}
	if s.key != nil && s.trailing {
		sum := sha256.Sum256([]byte(canonical))
		b.WriteString("x-amz-trailer-signature:" + hmacHex(s.key, strings.Join([]string{
			"AWS4-HMAC-SHA256-TRAILER", s.stamp, s.scope, prev, hex.EncodeToString(sum[:]),
		}, "\n")) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// Clients send unsigned chunks over HTTPS.
func TestUnsignedChunks(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	crc := "x-amz-checksum-crc32:" + s3test.Sum(t, "crc32", "hello world")
	good := (&stream{trailers: []string{crc}}).encode("hello ", "world")
	for _, tc := range []struct {
		name, body, length, trailer, code string
	}{
		{"right", good, "11", "x-amz-checksum-crc32", ""},
		{"in one chunk", (&stream{trailers: []string{crc}}).encode("hello world"), "11", "x-amz-checksum-crc32", ""},
		{"many small chunks", (&stream{trailers: []string{crc}}).encode(strings.Split("hello world", "")...), "11", "x-amz-checksum-crc32", ""},
		{"a blank after the colon", strings.Replace(good, "crc32:", "crc32: ", 1), "11", "x-amz-checksum-crc32", ""},
		{"no last line break", strings.TrimSuffix(good, "\r\n"), "11", "x-amz-checksum-crc32", ""},
		{"no trailer announced", (&stream{}).encode("hello ", "world"), "11", "", ""},
		{"another checksum", strings.Replace(good, crc, "x-amz-checksum-crc32:"+s3test.Sum(t, "crc32", "x"), 1), "11", "x-amz-checksum-crc32", "BadDigest"},
		{"other data", strings.Replace(good, "world", "w0rld", 1), "11", "x-amz-checksum-crc32", "BadDigest"},
		{"a malformed checksum", strings.Replace(good, crc, "x-amz-checksum-crc32:AAA", 1), "11", "x-amz-checksum-crc32", "InvalidRequest"},
		{"the trailer did not come", (&stream{}).encode("hello ", "world"), "11", "x-amz-checksum-crc32", "MalformedTrailerError"},
		{"another trailer came", good, "11", "x-amz-checksum-sha1", "MalformedTrailerError"},
		{"an unknown trailer", good, "11", "x-amz-surprise", "InvalidRequest"},
		{"shorter than said", good, "12", "x-amz-checksum-crc32", "IncompleteBody"},
		{"longer than said", good, "10", "x-amz-checksum-crc32", "IncompleteBody"},
		{"no decoded length", good, "", "x-amz-checksum-crc32", "MissingContentLength"},
		{"a negative length", good, "-1", "x-amz-checksum-crc32", "MissingContentLength"},
		{"cut in a chunk", good[:12], "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"cut between chunks", "6\r\nhello \r\n", "6", "", "IncompleteBody"},
		{"cut after the data", "6\r\nhello ", "6", "", "IncompleteBody"},
		{"a chunk's size is no number", "xyz\r\nhello", "5", "", "IncompleteBody"},
		{"a chunk's size is huge", "ffffffffffffffff\r\nhello", "5", "", "IncompleteBody"},
		{"a chunk is longer than its size", "5\r\nhelloworld\r\n0\r\n\r\n", "5", "", "IncompleteBody"},
		{"a line without an end", strings.Repeat("0", 1<<20), "5", "", "IncompleteBody"},
		{"endless trailers", (&stream{}).encode("hello")[:len("5\r\nhello\r\n0\r\n")] + strings.Repeat("a"+strings.Repeat("b", 900)+":c\r\n", 1), "5", "", ""},
		{"too many trailers", "5\r\nhello\r\n0\r\n" + manyTrailers(), "5", "", "MalformedTrailerError"},
		{"a signature that was not announced", "5;chunk-signature=00\r\nhello\r\n0\r\n\r\n", "5", "", "IncompleteBody"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key := strings.ReplaceAll(tc.name, " ", "-")
			header := map[string]string{
				"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked", "Content-Type": "text/plain",
			}
			if tc.length != "" {
				header["X-Amz-Decoded-Content-Length"] = tc.length
			}
			if tc.trailer != "" {
				header["X-Amz-Trailer"] = tc.trailer
			}
			status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/" + key, Body: tc.body, Header: header})
			if tc.code != "" {
				if !strings.Contains(body, "<Code>"+tc.code+"</Code>") {
					t.Errorf("got %d %s, want %s", status, body, tc.code)
				}
				h.Missing(t, key)
				return
			}
			if status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			got, meta := h.Get(t, key)
			if want := "hello world"[:len(got)]; got != want || len(got) < 5 {
				t.Errorf("stored %q", got)
			}
			if e := aws.ToString(meta.ContentEncoding); e != "" {
				t.Errorf("Content-Encoding %q is the transport's, not the object's", e)
			}
		})
	}
}

func manyTrailers() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "t%d:%s\r\n", i, strings.Repeat("x", 500))
	}
	return b.String()
}

// Each signature of a chunk is verified.
func TestSignedChunks(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for _, tc := range []struct {
		name    string
		trailer bool
		change  func(string) string
		code    string
	}{
		{"right", false, nil, ""},
		{"right, with a trailer", true, nil, ""},
		{"other data", false, func(b string) string { return strings.Replace(b, "wor", "w0r", 1) }, "SignatureDoesNotMatch"},
		{"other data, with a trailer", true, func(b string) string { return strings.Replace(b, "wor", "w0r", 1) }, "SignatureDoesNotMatch"},
		{"chunks in another order", false, func(b string) string {
			lines := strings.SplitN(b, "\r\n", 5)
			return strings.Join([]string{lines[2], lines[3], lines[0], lines[1], lines[4]}, "\r\n")
		}, "SignatureDoesNotMatch"},
		{"no signatures", false, func(string) string { return (&stream{}).encode("hello ", "world!") }, "IncompleteBody"},
		{"the last signature changed", false, func(b string) string {
			i := strings.LastIndex(b, "signature=") + len("signature=")
			return b[:i] + strings.Repeat("0", 64) + b[i+64:]
		}, "SignatureDoesNotMatch"},
		{"the trailer's signature changed", true, func(b string) string {
			i := strings.LastIndex(b, "trailer-signature:") + len("trailer-signature:")
			return b[:i] + strings.Repeat("0", 64) + b[i+64:]
		}, "SignatureDoesNotMatch"},
		{"the trailer's signature left out", true, func(b string) string {
			return b[:strings.LastIndex(b, "x-amz-trailer-signature:")] + "\r\n"
		}, "SignatureDoesNotMatch"},
		{"cut before the trailer", true, func(b string) string { return b[:strings.LastIndex(b, "x-amz-checksum")] }, "SignatureDoesNotMatch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key := strings.NewReplacer(" ", "-", ",", "").Replace(tc.name)
			r, err := http.NewRequestWithContext(t.Context(), "PUT", h.Signed.URL+"/uploads/"+key, nil)
			if err != nil {
				t.Fatal(err)
			}
			coding := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
			s := &stream{}
			if tc.trailer {
				coding += "-TRAILER"
				s.trailing, s.trailers = true, []string{"x-amz-checksum-sha256:" + s3test.Sum(t, "sha256", "hello world!")}
				r.Header.Set("X-Amz-Trailer", "x-amz-checksum-sha256")
			}
			r.Header.Set("X-Amz-Content-Sha256", coding)
			r.Header.Set("X-Amz-Decoded-Content-Length", "12")
			r.Header.Set("Content-Encoding", "aws-chunked,gzip")
			now := time.Now()
			err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}, r, coding, "s3", "us-east-1", now,
				func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			if err != nil {
				t.Fatal(err)
			}
			_, s.seed, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
			s.stamp = r.Header.Get("X-Amz-Date")
			s.scope = s.stamp[:8] + "/us-east-1/s3/aws4_request"
			s.key = []byte("AWS4" + s3test.SecretKey)
			for part := range strings.SplitSeq(s.scope, "/") {
				s.key = hmacSum(s.key, part)
			}
			body := s.encode("hello ", "world!")
			if tc.change != nil {
				body = tc.change(body)
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			response, _ := io.ReadAll(resp.Body)
			if tc.code != "" {
				if !strings.Contains(string(response), "<Code>"+tc.code+"</Code>") {
					t.Errorf("got %d %s, want %s", resp.StatusCode, response, tc.code)
				}
				h.Missing(t, key)
				return
			}
			if resp.StatusCode != 200 {
				t.Fatalf("got %d %s", resp.StatusCode, response)
			}
			if got, meta := h.Get(t, key); got != "hello world!" || aws.ToString(meta.ContentEncoding) != "gzip" {
				t.Errorf("stored %q, encoding %q", got, aws.ToString(meta.ContentEncoding))
			}
		})
	}
}

func hmacSum(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func hmacHex(key []byte, s string) string { return hex.EncodeToString(hmacSum(key, s)) }
