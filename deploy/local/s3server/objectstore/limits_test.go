package objectstore_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

func TestLengths(t *testing.T) {
	t.Parallel()
	var o objectstore.Options
	o.SetMaxObjectBytes(10)
	h := s3test.New(t, t.TempDir(), o, store.Options{NoSync: true})
	if status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/k", Body: "01234567890"}); status != 400 || !strings.Contains(body, "EntityTooLarge") {
		t.Errorf("11 bytes of 10: got %d %s", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", h.Unsigned.URL+"/uploads/k", io.MultiReader(strings.NewReader("abc"))) // of unknown length
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
	u := h.Begin(t, "k")
	if status, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/k?partNumber=1&uploadId=" + u.ID, Body: "01234567890"}); status != 400 || !strings.Contains(body, "EntityTooLarge") {
		t.Errorf("a part of 11 bytes: got %d %s", status, body)
	}
	h.Part(t, u, 1, "0123456789")
	h.Missing(t, "k")
	meta := func(n int) int {
		status, _, _ := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/m", Header: map[string]string{"X-Amz-Meta-A": strings.Repeat("x", n)}})
		return status
	}
	if a, b := meta((2<<10)-1), meta((2 << 10)); a != 200 || b != 400 {
		t.Errorf("metadata at and over its limit: got %d and %d, want 200 and 400", a, b)
	}
	if status, _, _ := h.Do(t, s3test.Request{Method: "PUT", Target: "/uploads/m", Header: map[string]string{"Content-Type": strings.Repeat("x", (8<<10)+1)}}); status != 400 {
		t.Errorf("a huge header: got %d", status)
	}
}
