package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"sluice/deploy/functions"
	"sluice/deploy/internal/jsonfile"
)

// jwtKeysFile has the keys of the api's tokens, in the form of JWT_KEYS.
const jwtKeysFile = "jwt-keys.json"

// readJWTKeys returns the keys of tokens in dir. The first start makes them.
func readJWTKeys(dir string) (string, error) {
	path := filepath.Join(dir, jwtKeysFile)
	var stored struct {
		JWTKeys string `json:"jwtKeys"`
	}
	err := jsonfile.Read(path, &stored)
	if errors.Is(err, fs.ErrNotExist) {
		seed := make([]byte, 32)
		_, _ = rand.Read(seed) // it never fails
		stored.JWTKeys = "local=" + base64.StdEncoding.EncodeToString(seed)
		return stored.JWTKeys, jsonfile.Write(path, stored)
	}
	if err == nil && stored.JWTKeys == "" {
		err = errors.New("jwtKeys is missing")
	}
	if err != nil {
		return "", fmt.Errorf("keys %s: %w (remove the file, and the next start makes new keys)", path, err)
	}
	return stored.JWTKeys, nil
}

// apiServer serves the function that HTTP requests invoke. A nil apiServer
// serves nothing.
type apiServer struct {
	url    string
	server *http.Server
}

// serveAPI serves the api at Options.APIAddr, an address of its own.
func (s *Stack) serveAPI(ctx context.Context) error {
	if s.options.APIAddr == "" {
		return nil
	}
	var handler http.Handler
	var timeout time.Duration
	for _, f := range functions.All {
		if f.Source.HTTP {
			handler, _ = s.functions[f.Name].(http.Handler)
			timeout = f.Timeout
		}
	}
	if handler == nil {
		return errors.New("api: got no function that serves HTTP")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.APIAddr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (if the port is in use, -api chooses another)", s.options.APIAddr, err)
	}
	s.api = &apiServer{localURL(l.Addr()), &http.Server{
		Handler:           deadline(handler, timeout),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
	server, url := s.api.server, s.api.url
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve the api at %s: %w", url, err))
		}
	})
	return nil
}

// deadline gives each request a function's timeout.
func deadline(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// APIURL returns the URL of the api, or "" if it is not served.
func (s *Stack) APIURL() string {
	if s.api == nil {
		return ""
	}
	return s.api.url
}

// close lets requests in progress finish until ctx ends.
func (a *apiServer) close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	if err := a.server.Shutdown(ctx); err != nil {
		_ = a.server.Close()
		return fmt.Errorf("requests of the api were cut off: %w", err)
	}
	return nil
}
