package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sluice/deploy/local/sigv4"
)

// TestChunkExamples verifies the two examples in AWS's documentation of signed
// chunks: 65 KiB of "a" sent as 64 KiB, 1 KiB and an empty chunk.
func TestChunkExamples(t *testing.T) {
	t.Parallel()
	c := sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	sums := [][32]byte{
		sha256.Sum256(bytes.Repeat([]byte("a"), 64<<10)), sha256.Sum256(bytes.Repeat([]byte("a"), 1<<10)), sha256.Sum256(nil),
	}
	for _, tc := range []struct {
		name, hash, signed, seed string
		header                   map[string]string
		chunks                   []string
		trailer                  string
	}{
		{
			"chunks", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", nil,
			[]string{
				"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
				"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
				"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
			},
			"",
		},
		{
			"chunks and a trailer", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
			"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
			map[string]string{"X-Amz-Trailer": "x-amz-checksum-crc32c"},
			[]string{
				"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
				"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
				"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
			},
			"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var v *sigv4.ChunkVerifier
			h := sigv4.Require(c, sigv4.Options{Now: func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }},
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					var ok bool
					if v, ok = sigv4.Chunks(r.Context()); !ok {
						t.Error("got no chunk verifier for a verified request")
					}
				}))
			r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", nil)
			r.Host = "s3.amazonaws.com"
			r.Header.Set("Content-Encoding", "aws-chunked")
			r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
			r.Header.Set("Content-Length", "66824")
			r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
			r.Header.Set("X-Amz-Date", "20130524T000000Z")
			r.Header.Set("X-Amz-Content-Sha256", tc.hash)
			for k, val := range tc.header {
				r.Header.Set(k, val)
			}
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"+
				"SignedHeaders="+tc.signed+",Signature="+tc.seed)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			for i, sig := range tc.chunks {
				if !v.Chunk(sig, sums[i]) {
					t.Errorf("chunk %d: got the signature refused, want it accepted", i)
				}
			}
			if tc.trailer != "" && !v.Trailer(tc.trailer, []byte("x-amz-checksum-crc32c:sOO8/Q==\n")) {
				t.Error("trailer: got the signature refused, want it accepted")
			}
			again, _ := sigv4.Chunks(r.Context())
			if again.Chunk(tc.chunks[0], sums[0]) {
				t.Error("a context without a verified request verifies chunks")
			}
		})
	}
}

func TestChunkVerifiersAreIndependent(t *testing.T) {
	t.Parallel()
	if _, ok := sigv4.Chunks(t.Context()); ok {
		t.Error("got a chunk verifier for a context without a request")
	}
	h := sigv4.Require(creds, sigv4.Options{Now: func() time.Time { return noon }}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		one, _ := sigv4.Chunks(r.Context())
		two, _ := sigv4.Chunks(r.Context())
		sum := sha256.Sum256([]byte("x"))
		if one.Chunk("00", sum) {
			t.Error("an invalid chunk signature is accepted")
		}
		if one == two {
			t.Error("two calls of Chunks return the same verifier")
		}
	}))
	r := request(t, "PUT", "http://localhost", "/b/k", "")
	signS3(t, r, creds, "eu-west-1", noon, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	r.RequestURI = "/b/k"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
