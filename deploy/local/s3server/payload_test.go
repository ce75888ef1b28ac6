package s3server

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/deploy/local/store"
)

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
