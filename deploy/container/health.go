package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// health serves GET /healthz: 200 while the functions run, 503 while they drain
// or a health check fails. The zero value is ready.
type health struct {
	draining atomic.Bool
	server   *http.Server
}

func (h *health) drain() { h.draining.Store(true) }

// serve listens on addr until close. Each response has what describe and
// problems return.
func (h *health) serve(ctx context.Context, addr string, describe func() map[string]any, problems func() []string) (served <-chan struct{}, err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("HEALTH_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		status, state := http.StatusOK, "running"
		d := describe()
		if wrong := problems(); len(wrong) > 0 {
			status, state = http.StatusServiceUnavailable, "troubled"
			d["problems"] = wrong
		}
		if h.draining.Load() {
			status, state = http.StatusServiceUnavailable, "draining"
		}
		d["state"] = state
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(d) // the client may be gone
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.drain() // the health page is gone
		}
	}()
	return done, nil
}

func (h *health) close() { _ = h.server.Close() }
