package stack

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOriginCheck: requests for another host name or from another origin are
// refused.
func TestOriginCheck(t *testing.T) {
	t.Parallel()
	h := checkOrigin("http://127.0.0.1:9324", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, tt := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:9324", "", 200},
		{"localhost:9324", "", 200},
		{"[::1]:9324", "", 200},
		{"uploads.localhost:9324", "", 200},
		{"a.b.localhost:9324", "", 200},
		{"uploads.localhost:80", "", 421},
		{"evillocalhost:9324", "", 421},
		{"uploads.localhost.evil.example:9324", "", 421},
		{"evil.example:9324", "", 421}, // a hostile name server may resolve it to 127.0.0.1
		{"127.0.0.1:80", "", 421},
		{"127.0.0.1:9324", "http://127.0.0.1:9324", 200},
		{"127.0.0.1:9324", "http://localhost:9324", 200},
		{"127.0.0.1:9324", "https://evil.example", 403},
		{"127.0.0.1:9324", "http://127.0.0.1:3000", 403},
		{"127.0.0.1:9324", "null", 403},
	} {
		r := httptest.NewRequest(http.MethodPut, "/uploads/a.jpg", nil)
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("host %q, origin %q: got %d, want %d", tt.host, tt.origin, w.Code, tt.want)
		}
	}
}
