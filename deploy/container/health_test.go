package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	var h health
	var wrong []string
	served, err := h.serve(t.Context(), "127.0.0.1:0", func() map[string]any { return map[string]any{"shards": 3} }, func() []string { return wrong })
	if err != nil {
		t.Fatal(err)
	}
	get := func() string {
		w := httptest.NewRecorder()
		h.server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return fmt.Sprint(w.Code, " ", string(bytes.TrimSpace(w.Body.Bytes())))
	}
	if got, want := get(), `200 {"shards":3,"state":"running"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	wrong = []string{"no heartbeat"}
	if got, want := get(), `503 {"problems":["no heartbeat"],"shards":3,"state":"troubled"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	wrong = nil
	h.drain()
	if got, want := get(), `503 {"shards":3,"state":"draining"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h.close()
	<-served
	if _, err := h.serve(t.Context(), "nowhere:port", nil, nil); err == nil || !strings.Contains(err.Error(), "HEALTH_ADDR") {
		t.Errorf("a wrong address: got %v", err)
	}
}
