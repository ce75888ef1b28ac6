package api

import (
	"context"
	"errors"
	"html"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// bearer is the name of the security scheme of tokens.
const bearer = "bearer"

// routes returns the mux with all routes.
func (w *Worker) routes() *http.ServeMux {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Sluice", version())
	config.Info.Description = "Users register, log in, and change their account."
	// The documentation page is served below, and responses have no $schema.
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = append(config.Transformers, hideValues)
	config.Servers = []*huma.Server{{URL: "/"}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearer: {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}}
	api := humago.New(mux, config)

	add(w, api, huma.Operation{Method: "GET", Path: "/hello", OperationID: "hello", Summary: "Say hello", Tags: []string{"service"}}, w.hello)
	add(w, api, huma.Operation{Method: "GET", Path: "/status", OperationID: "status", Summary: "Describe the running function", Tags: []string{"service"}}, w.status)
	add(w, api, huma.Operation{Method: "GET", Path: "/healthz", OperationID: "healthz", Summary: "Report that the service runs", Tags: []string{"service"}}, w.healthz)

	add(w, api, huma.Operation{
		Method: "POST", Path: "/auth/register", OperationID: "register", Summary: "Register a user", Tags: []string{"auth"},
		DefaultStatus: http.StatusCreated, Errors: []int{400, 409, 413, 415, 429},
	}, w.register)
	add(w, api, huma.Operation{
		Method: "POST", Path: "/auth/login", OperationID: "login", Summary: "Exchange a password for a token", Tags: []string{"auth"},
		Errors: []int{400, 401, 413, 415, 429},
	}, w.login)
	user := func(op huma.Operation) huma.Operation {
		op.Security = []map[string][]string{{bearer: {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized)
		slices.Sort(op.Errors)
		return op
	}
	add(w, api, user(huma.Operation{
		Method: "POST", Path: "/auth/password", OperationID: "changePassword", Summary: "Set another password, which ends all tokens", Tags: []string{"auth"},
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 409, 413, 415, 429},
	}), w.changePassword)
	add(w, api, user(huma.Operation{Method: "GET", Path: "/users/me", OperationID: "getUser", Summary: "Get the user", Tags: []string{"users"}}), w.me)
	add(w, api, user(huma.Operation{
		Method: "PATCH", Path: "/users/me", OperationID: "changeUser", Summary: "Change the user's name", Tags: []string{"users"}, Errors: []int{400, 413, 415},
	}), w.changeUser)
	add(w, api, user(huma.Operation{
		Method: "DELETE", Path: "/users/me", OperationID: "deleteUser", Summary: "Remove the account; orders are kept without the address", Tags: []string{"users"},
		DefaultStatus: http.StatusNoContent, Errors: []int{409},
	}), w.deleteUser)

	page := sync.OnceValue(func() []byte { return docs(api.OpenAPI()) })
	mux.HandleFunc("GET /docs", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = out.Write(page()) // the client may be gone
	})
	return mux
}

// hideValues removes the values from a problem's details, for they may be
// passwords.
func hideValues(_ huma.Context, _ string, v any) (any, error) {
	if e, ok := v.(*huma.ErrorModel); ok {
		for _, d := range e.Errors {
			d.Value = nil
		}
	}
	return v, nil
}

// add registers a route. An error that is no problem of the request is logged,
// and the client gets a 500 with the request's id.
func add[I, O any](w *Worker, api huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = -1 // the middleware has bounded it
	op.BodyReadTimeout = -1
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if _, ok := errors.AsType[huma.StatusError](err); err != nil && !ok {
			w.log.ErrorContext(ctx, "request failed", "request", requestIDOf(ctx), "operation", op.OperationID, "error", err)
			return nil, huma.Error500InternalServerError(internalError(ctx))
		}
		return out, err
	})
}

type helloOutput struct {
	Body struct {
		Message   string    `json:"message" example:"Hello from Lambda!"`
		Timestamp time.Time `json:"timestamp"`
		RequestID string    `json:"requestId"`
	}
}

func (w *Worker) hello(ctx context.Context, _ *struct{}) (*helloOutput, error) {
	out := new(helloOutput)
	out.Body.Message, out.Body.Timestamp, out.Body.RequestID = "Hello from Lambda!", time.Now().UTC(), requestIDOf(ctx)
	return out, nil
}

type statusOutput struct {
	Body struct {
		Service         string `json:"service"`
		Version         string `json:"version"`
		Stage           string `json:"stage"`
		Function        string `json:"function,omitempty" doc:"Name of the Lambda function"`
		FunctionVersion string `json:"functionVersion,omitempty"`
		MemoryLimitMB   int    `json:"memoryLimitMB,omitempty"`
		MemoryUsedBytes uint64 `json:"memoryUsedBytes"`
		RemainingMillis int64  `json:"remainingMillis,omitempty" doc:"Time left of the invocation"`
	}
}

func (w *Worker) status(ctx context.Context, _ *struct{}) (*statusOutput, error) {
	out := new(statusOutput)
	b := &out.Body
	b.Service, b.Version, b.Stage = "sluice-api", version(), w.config.Stage
	b.Function, b.FunctionVersion, b.MemoryLimitMB = os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), lambdacontext.FunctionVersion, lambdacontext.MemoryLimitInMB
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.MemoryUsedBytes = m.Sys - m.HeapReleased
	if deadline, ok := ctx.Deadline(); ok {
		b.RemainingMillis = time.Until(deadline).Milliseconds()
	}
	return out, nil
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func (w *Worker) healthz(context.Context, *struct{}) (*healthOutput, error) {
	out := new(healthOutput)
	out.Body.Status = "ok"
	return out, nil
}

// version is the module's version, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}

// docs returns a page that lists the operations. It loads nothing else.
func docs(o *huma.OpenAPI) []byte {
	var b strings.Builder
	text := func(parts ...string) {
		for i, part := range parts {
			if i%2 == 1 {
				part = html.EscapeString(part)
			}
			b.WriteString(part)
		}
	}
	text(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>`, o.Info.Title, `</title></head><body><h1>`, o.Info.Title, `</h1><p>`,
		o.Info.Description, `</p><p>Version `, o.Info.Version, `. The machine-readable form is <a href="openapi.json">openapi.json</a>.</p>`)
	paths := make([]string, 0, len(o.Paths))
	for path := range o.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		item := o.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			text(`<h2><code>`, op.Method+" "+path, `</code></h2><p>`, op.Summary, `.`)
			if len(op.Security) > 0 {
				text(` Needs a token.`)
			}
			text(`</p><ul>`)
			codes := make([]string, 0, len(op.Responses))
			for code := range op.Responses {
				codes = append(codes, code)
			}
			slices.Sort(codes)
			for _, code := range codes {
				n, _ := strconv.Atoi(code) // "default" has no text
				text(`<li>`, strings.TrimSpace(code+" "+http.StatusText(n)), `</li>`)
			}
			text(`</ul>`)
		}
	}
	text(`</body></html>`)
	return []byte(b.String())
}
