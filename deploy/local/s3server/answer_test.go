package s3server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The layer turns a read that failed into an error's XML. Behind the first bytes of a body that would pass for the rest of it.
func TestErrorBehindABodyEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	c := h.newCall(httptest.NewRecorder(), httptest.NewRequest("GET", "/uploads/k", nil))
	if _, err := c.answer.Write([]byte("first bytes")); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", p)
		}
	}()
	c.answer.WriteHeader(500)
}
