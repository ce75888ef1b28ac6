package objects

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/store"
)

func sumOf(t *testing.T, algorithm, body string) string {
	t.Helper()
	h, err := newChecksum(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// What a client says of its body is compared; where it differs, nothing is stored.
func TestDigests(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	h.put(t, "k", "old")
	right := sha256.Sum256([]byte("hello"))
	type header = map[string]string
	cases := []struct {
		name   string
		header header
		code   string
	}{
		{"sha256 of the payload", header{"X-Amz-Content-Sha256": hex.EncodeToString(right[:])}, ""},
		{"another sha256 of the payload", header{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}, "XAmzContentSHA256Mismatch"},
		{"an unknown coding", header{"X-Amz-Content-Sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "NotImplemented"},
		{"nonsense", header{"X-Amz-Content-Sha256": "abc"}, "InvalidArgument"},
		{"MD5", header{"Content-MD5": sumOf(t, "md5", "hello")}, ""},
		{"another MD5", header{"Content-MD5": sumOf(t, "md5", "x")}, "BadDigest"},
		{"no MD5 at all", header{"Content-MD5": "hello"}, "InvalidDigest"},
		{"two checksums", header{"X-Amz-Checksum-Crc32": sumOf(t, "crc32", "hello"), "X-Amz-Checksum-Sha1": sumOf(t, "sha1", "hello")}, "InvalidRequest"},
		{"an unknown checksum", header{"X-Amz-Checksum-Xxhash64": "AAAAAAAAAAA="}, "NotImplemented"},
		{"a checksum of the wrong length", header{"X-Amz-Checksum-Crc32": "AAAA"}, "InvalidRequest"},
		{"a trailer without chunks", header{"X-Amz-Trailer": "x-amz-checksum-crc32"}, "InvalidRequest"},
	}
	for name := range checksums {
		cases = append(cases, struct {
			name   string
			header header
			code   string
		}{name, header{"X-Amz-Checksum-" + name: sumOf(t, name, "hello")}, ""}, struct {
			name   string
			header header
			code   string
		}{"another " + name, header{"X-Amz-Checksum-" + name: sumOf(t, name, "x")}, "BadDigest"})
	}
	for _, tc := range cases {
		for _, target := range []string{"/uploads/new", "/uploads/k"} {
			status, _, body := h.do(t, raw{method: "PUT", target: target, body: "hello", header: tc.header})
			if tc.code == "" && status != 200 || tc.code != "" && !strings.Contains(body, "<Code>"+tc.code+"</Code>") {
				t.Errorf("%s: got %d %s, want %q", tc.name, status, body, tc.code)
			}
			if tc.code != "" {
				h.missing(t, "new")
				if got, _ := h.get(t, "k"); got != "old" {
					t.Errorf("%s: the object became %q", tc.name, got)
				}
			}
		}
		if tc.code == "" { // back to the start
			if _, _, body := h.do(t, raw{method: "DELETE", target: "/uploads/new"}); body != "" {
				t.Error(body)
			}
			h.put(t, "k", "old")
		}
	}
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
}

// The published check values for "123456789".
func TestChecksumAlgorithms(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888",
		"sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "md5": "25f9e794323b453885f5181f1b624d0b",
	} {
		h, err := newChecksum(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// The SDK sends and verifies each algorithm by itself.
func TestSDKChecksums(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	for _, a := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		body := "body for " + string(a)
		out := h.put(t, "k", body, func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = a })
		if out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: the answer to the upload has no checksum", a)
		}
		got, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(got.Body) // fails if the sum does not match
		if err != nil || string(b) != body {
			t.Errorf("%s: %q %v", a, b, err)
		}
		if got.ChecksumType == "" {
			t.Errorf("%s: no checksum on GET", a)
		}
		part, err := h.client.GetObject(t.Context(), &s3.GetObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled, Range: aws.String("bytes=0-3"),
		})
		if err != nil || part.ChecksumType != "" {
			t.Errorf("%s: a range has the checksum of the whole: %v", a, err)
		}
		if b, err := io.ReadAll(part.Body); err != nil || string(b) != "body" {
			t.Errorf("%s: range %q %v", a, b, err)
		}
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	h := newHome(t, t.TempDir(), Options{MaxObjectBytes: 10}, store.Options{NoSync: true})
	if status, _, body := h.do(t, raw{method: "PUT", target: "/uploads/k", body: "01234567890"}); status != 400 || !strings.Contains(body, "EntityTooLarge") {
		t.Errorf("11 bytes of 10: got %d %s", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", h.open.URL+"/uploads/k", io.MultiReader(strings.NewReader("abc"))) // of unknown length
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 411 {
		t.Errorf("no length: got %d", resp.StatusCode)
	}
	u := h.begin(t, "k")
	if status, _, body := h.do(t, raw{method: "PUT", target: "/uploads/k?partNumber=1&uploadId=" + u.id, body: "01234567890"}); status != 400 || !strings.Contains(body, "EntityTooLarge") {
		t.Errorf("a part of 11 bytes: got %d %s", status, body)
	}
	h.part(t, u, 1, "0123456789")
	h.missing(t, "k")
	meta := func(n int) int {
		status, _, _ := h.do(t, raw{method: "PUT", target: "/uploads/m", header: map[string]string{"X-Amz-Meta-A": strings.Repeat("x", n)}})
		return status
	}
	if a, b := meta(maxMetaBytes-1), meta(maxMetaBytes); a != 200 || b != 400 {
		t.Errorf("metadata at and over its limit: got %d and %d, want 200 and 400", a, b)
	}
	if status, _, _ := h.do(t, raw{method: "PUT", target: "/uploads/m", header: map[string]string{"Content-Type": strings.Repeat("x", maxHeaderBytes+1)}}); status != 400 {
		t.Errorf("a huge header: got %d", status)
	}
}

// stream builds an aws-chunked body. It signs the chunks if a seed is given.
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

// The unsigned form, which clients of HTTPS send.
func TestUnsignedChunks(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	crc := "x-amz-checksum-crc32:" + sumOf(t, "crc32", "hello world")
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
		{"another checksum", strings.Replace(good, crc, "x-amz-checksum-crc32:"+sumOf(t, "crc32", "x"), 1), "11", "x-amz-checksum-crc32", "BadDigest"},
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
		{"a signature nobody announced", "5;chunk-signature=00\r\nhello\r\n0\r\n\r\n", "5", "", "IncompleteBody"},
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
			status, _, body := h.do(t, raw{method: "PUT", target: "/uploads/" + key, body: tc.body, header: header})
			if tc.code != "" {
				if !strings.Contains(body, "<Code>"+tc.code+"</Code>") {
					t.Errorf("got %d %s, want %s", status, body, tc.code)
				}
				h.missing(t, key)
				return
			}
			if status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			got, meta := h.get(t, key)
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

// Signed chunks through the locked door: each signature counts.
func TestSignedChunks(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
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
			r, err := http.NewRequestWithContext(t.Context(), "PUT", h.locked.URL+"/uploads/"+key, nil)
			if err != nil {
				t.Fatal(err)
			}
			coding := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
			s := &stream{}
			if tc.trailer {
				coding += "-TRAILER"
				s.trailing, s.trailers = true, []string{"x-amz-checksum-sha256:" + sumOf(t, "sha256", "hello world!")}
				r.Header.Set("X-Amz-Trailer", "x-amz-checksum-sha256")
			}
			r.Header.Set("X-Amz-Content-Sha256", coding)
			r.Header.Set("X-Amz-Decoded-Content-Length", "12")
			r.Header.Set("Content-Encoding", "aws-chunked,gzip")
			now := time.Now()
			err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, r, coding, "s3", "us-east-1", now,
				func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			if err != nil {
				t.Fatal(err)
			}
			_, s.seed, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
			s.stamp = r.Header.Get("X-Amz-Date")
			s.scope = s.stamp[:8] + "/us-east-1/s3/aws4_request"
			s.key = []byte("AWS4" + secretKey)
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
			answer, _ := io.ReadAll(resp.Body)
			if tc.code != "" {
				if !strings.Contains(string(answer), "<Code>"+tc.code+"</Code>") {
					t.Errorf("got %d %s, want %s", resp.StatusCode, answer, tc.code)
				}
				h.missing(t, key)
				return
			}
			if resp.StatusCode != 200 {
				t.Fatalf("got %d %s", resp.StatusCode, answer)
			}
			if got, meta := h.get(t, key); got != "hello world!" || aws.ToString(meta.ContentEncoding) != "gzip" {
				t.Errorf("stored %q, encoding %q", got, aws.ToString(meta.ContentEncoding))
			}
		})
	}
}

func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte((&stream{trailers: []string{"x-amz-checksum-crc32:AAAAAA=="}}).encode("hello ", "world")), int64(11), true)
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), int64(5), false)
	f.Fuzz(func(t *testing.T, in []byte, length int64, trailer bool) {
		c := newChunkedReader(bytes.NewReader(in), length, false, trailer)
		out, err := io.ReadAll(c)
		if err == nil && int64(len(out)) > length {
			t.Errorf("%d bytes out of a body of %d", len(out), length)
		}
		if len(out) > len(in) {
			t.Error("more out than in")
		}
	})
}
