package s3server_test

import (
	"strconv"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/s3test"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "0123456789")
	h.Put(t, "empty", "")
	for _, tc := range []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"k", "bytes=2-4", "234", "bytes 2-4/10", 206},
		{"k", "bytes=0-0", "0", "bytes 0-0/10", 206},
		{"k", "bytes=7-", "789", "bytes 7-9/10", 206},
		{"k", "bytes=7-99", "789", "bytes 7-9/10", 206},
		{"k", "bytes=-3", "789", "bytes 7-9/10", 206},
		{"k", "bytes=-99", "0123456789", "bytes 0-9/10", 206},
		{"k", "bytes=10-", "", "bytes */10", 416},
		{"k", "bytes=-0", "", "bytes */10", 416},
		{"k", "bytes=4-2", "0123456789", "", 200},
		{"k", "bytes=0-1,4-5", "0123456789", "", 200},
		{"k", "pages=1-2", "0123456789", "", 200},
		{"k", "bytes=99999999999999999999-", "0123456789", "", 200},
		{"empty", "bytes=0-", "", "bytes */0", 416},
		{"empty", "", "", "", 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			status, head, body := h.Do(t, s3test.Request{Method: method, Target: "/" + bucket + "/" + tc.key, Header: map[string]string{"Range": tc.header}})
			want := tc.body
			if method == "HEAD" || tc.status == 416 {
				body = strings.TrimSpace(body)
				if tc.status == 416 && method == "GET" && !strings.Contains(body, "InvalidRange") {
					t.Errorf("%s %s: no InvalidRange in %q", method, tc.header, body)
				}
				want, body = "", ""
			}
			if status != tc.status || body != want || head.Get("Content-Range") != tc.contentRange {
				t.Errorf("%s %s of %q: got %d %q %q, want %d %q %q", method, tc.header, tc.key, status, head.Get("Content-Range"), body, tc.status, tc.contentRange, want)
			}
			if n := len(tc.body); status < 300 && head.Get("Content-Length") != "" && head.Get("Content-Length") != strconv.Itoa(n) {
				t.Errorf("%s %s: Content-Length %s, want %d", method, tc.header, head.Get("Content-Length"), n)
			}
		}
	}
}
