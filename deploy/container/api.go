package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// apiServer serves a function that HTTP requests invoke.
type apiServer struct {
	name     string
	listener net.Listener
	server   *http.Server
	drain    time.Duration
}

// mapHTTP listens on API_ADDR for a function.
func (c *container) mapHTTP(ctx context.Context, f builtFunction) error {
	handler, ok := f.worker.(http.Handler)
	if !ok {
		return fmt.Errorf("worker %s: got no http.Handler, want one", f.Worker)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.settings.APIAddr)
	if err != nil {
		return fmt.Errorf("API_ADDR: %w", err)
	}
	timeout := f.config.Timeout
	c.api = &apiServer{f.Name, l, &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), timeout)
			defer cancel()
			handler.ServeHTTP(w, r.WithContext(ctx))
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}, c.options.DrainLimit}
	return nil
}

// run serves until ctx ends, and then lets requests in progress finish.
func (a *apiServer) run(ctx context.Context) error {
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.drain)
		defer cancel()
		err := a.server.Shutdown(ctx)
		if err != nil {
			_ = a.server.Close()
		}
		drained <- err
	})
	err := a.server.Serve(a.listener)
	if !stop() && errors.Is(err, http.ErrServerClosed) {
		return <-drained
	}
	return err
}
