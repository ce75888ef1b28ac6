package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReportInitError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cause  error
		status int
		kind   string
		fails  string
	}{
		"settings":         {&ConfigError{Problems: []error{errors.New("A: is missing"), errors.New("B: is 0")}}, http.StatusAccepted, configInvalid, ""},
		"settings, deeper": {fmt.Errorf("build: %w", &ConfigError{Problems: []error{errors.New("A: is missing")}}), http.StatusAccepted, configInvalid, ""},
		"something else":   {errors.New("no region"), http.StatusAccepted, unknownReason, ""},
		"refused":          {errors.New("no region"), http.StatusForbidden, unknownReason, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var path, header string
			var report struct{ ErrorType, ErrorMessage string }
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path, header = r.Method+" "+r.URL.Path, r.Header.Get("Lambda-Runtime-Function-Error-Type")
				if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
					t.Error(err)
				}
				w.WriteHeader(tt.status)
			}))
			defer api.Close()
			err := reportInitError(api.Listener.Addr().String(), tt.cause)
			if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("got %v, want %q", err, tt.fails)
			}
			if path != "POST /2018-06-01/runtime/init/error" || header != tt.kind || report.ErrorType != tt.kind || report.ErrorMessage != tt.cause.Error() {
				t.Errorf("got %s with %q and %+v", path, header, report)
			}
		})
	}
}
