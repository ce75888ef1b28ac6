// Package api is the worker that HTTP requests invoke: users register, log in and
// change their account. It writes the two tables and nothing else. What follows
// from a change comes from the change stream.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/crypto/bcrypt"

	"sluice/pipeline"
	"sluice/pipeline/httpevent"
	"sluice/workers/setup"
)

// Worker serves the API. Safe for concurrent use.
type Worker struct {
	config  Config
	records pipeline.Table
	state   pipeline.Table
	tokens  tokens
	compare func(hash, password []byte) error // bcrypt's
	handler http.Handler
	events  *httpevent.Handler
	log     *slog.Logger
}

// Build makes a worker of its settings and clients. A nil log discards.
func Build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	if err := c.Validate(); err != nil {
		return nil, setup.Invalid(err)
	}
	return build(c, clients, log)
}

// build is Build for settings that are valid.
func build(c Config, clients Clients, log *slog.Logger) (*Worker, error) {
	k, err := parseKeys(string(c.JWTKeys))
	if err != nil {
		return nil, err
	}
	w := &Worker{
		config: c, records: clients.Records, state: clients.State,
		tokens:  newTokens(k, c.JWTIssuer, c.JWTAudience),
		compare: bcrypt.CompareHashAndPassword,
		log:     cmp.Or(log, slog.New(slog.DiscardHandler)),
	}
	w.handler = w.middleware(w.routes())
	w.events = httpevent.NewHandler(w.handler)
	return w, nil
}

// ServeHTTP serves the API without Lambda.
func (w *Worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }

// Invoke handles a Lambda event, which is an HTTP request or a warm-up, and
// returns the response to Lambda. It is lambda.Handler's Invoke.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if setup.IsWarmUp(payload) {
		return setup.WarmUp(ctx, w.log, setup.ConnectTable(w.records), setup.ConnectTable(w.state)), nil
	}
	return w.events.Invoke(ctx, payload)
}
