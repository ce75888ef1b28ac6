package s3server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3test"
)

// Nothing is stored if the body differs from what its headers state.
func TestDigestsAreCompared(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "old")
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
		{"MD5", header{"Content-MD5": s3test.Sum(t, "md5", "hello")}, ""},
		{"another MD5", header{"Content-MD5": s3test.Sum(t, "md5", "x")}, "BadDigest"},
		{"no MD5 at all", header{"Content-MD5": "hello"}, "InvalidDigest"},
		{"two checksums", header{"X-Amz-Checksum-Crc32": s3test.Sum(t, "crc32", "hello"), "X-Amz-Checksum-Sha1": s3test.Sum(t, "sha1", "hello")}, "InvalidRequest"},
		{"an unknown checksum", header{"X-Amz-Checksum-Xxhash64": "AAAAAAAAAAA="}, "NotImplemented"},
		{"a checksum of the wrong length", header{"X-Amz-Checksum-Crc32": "AAAA"}, "InvalidRequest"},
		{"a trailer without chunks", header{"X-Amz-Trailer": "x-amz-checksum-crc32"}, "InvalidRequest"},
	}
	for _, name := range checksum.Algorithms() {
		cases = append(cases, struct {
			name   string
			header header
			code   string
		}{name, header{"X-Amz-Checksum-" + name: s3test.Sum(t, name, "hello")}, ""}, struct {
			name   string
			header header
			code   string
		}{"another " + name, header{"X-Amz-Checksum-" + name: s3test.Sum(t, name, "x")}, "BadDigest"})
	}
	for _, tc := range cases {
		for _, target := range []string{"/uploads/new", "/uploads/k"} {
			status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: target, Body: "hello", Header: tc.header})
			if tc.code == "" && status != 200 || tc.code != "" && !strings.Contains(body, "<Code>"+tc.code+"</Code>") {
				t.Errorf("%s: got %d %s, want %q", tc.name, status, body, tc.code)
			}
			if tc.code != "" {
				h.Missing(t, "new")
				if got, _ := h.Get(t, "k"); got != "old" {
					t.Errorf("%s: the object became %q", tc.name, got)
				}
			}
		}
		if tc.code == "" { // back to the start
			if _, _, body := h.Do(t, s3test.Request{Method: "DELETE", Target: "/uploads/new"}); body != "" {
				t.Error(body)
			}
			h.Put(t, "k", "old")
		}
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
}
