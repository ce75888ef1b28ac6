package runtimeapi

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"sluice/deploy/internal/requestid"
)

// errorTypeHeader names the type of an error. It is a header of an error
// report, or a trailer of a response.
const errorTypeHeader = "Lambda-Runtime-Function-Error-Type"

// handler serves the Runtime API, and the part of the Extensions API that
// aws-lambda-go uses to receive SIGTERM.
func (p *Process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.invocationError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.initErrorReport)
	mux.HandleFunc("POST /2020-01-01/extension/register", p.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", p.extensionNext)
	return mux
}

// next waits for an invocation. The status 410 means that there are no more.
func (p *Process) next(w http.ResponseWriter, r *http.Request) {
	p.readied.Do(func() { close(p.ready) })
	select {
	case <-p.closing:
		refuse(w, http.StatusGone, "Gone", "the process is closed")
		return
	default:
	}
	select {
	case inv := <-p.offered:
		p.mu.Lock()
		p.running[inv.id] = inv
		p.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
		h.Set("Lambda-Runtime-Trace-Id", inv.trace)
		_, _ = w.Write(inv.payload)
	case <-p.closing:
		refuse(w, http.StatusGone, "Gone", "the process is closed")
	case <-r.Context().Done():
	}
}

// take returns a running invocation and forgets it: it has one result.
func (p *Process) take(id string) *invocation {
	p.mu.Lock()
	defer p.mu.Unlock()
	inv := p.running[id]
	delete(p.running, id)
	return inv
}

func (p *Process) response(w http.ResponseWriter, r *http.Request) {
	response, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponseBytes))
	inv := p.take(r.PathValue("id"))
	if inv == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation")
		return
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		inv.done <- outcome{err: &FunctionError{Type: "Function.ResponseSizeTooLarge", Message: "the response is over 6 MB"}}
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the response is over 6 MB")
		return
	}
	if err != nil {
		inv.done <- outcome{err: &FunctionError{Type: "Runtime.TruncatedResponse", Message: err.Error()}}
		return
	}
	// A handler that fails while it streams its response reports the error in
	// trailers.
	if kind := r.Trailer.Get(errorTypeHeader); kind != "" {
		report, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		inv.done <- outcome{err: parseReport(report, kind)}
	} else {
		inv.done <- outcome{response: response}
	}
	accept(w)
}

func (p *Process) invocationError(w http.ResponseWriter, r *http.Request) {
	report := readReport(w, r)
	inv := p.take(r.PathValue("id"))
	if inv == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation")
		return
	}
	inv.done <- outcome{err: report}
	accept(w)
}

func (p *Process) initErrorReport(w http.ResponseWriter, r *http.Request) {
	report := readReport(w, r)
	p.mu.Lock()
	if p.initError == nil {
		p.initError = &InitError{Type: report.Type, Message: report.Message, ExitCode: -1, Output: p.output.String()}
		close(p.initFailed)
	}
	p.mu.Unlock()
	accept(w)
}

// readReport reads the error report of a request.
func readReport(w http.ResponseWriter, r *http.Request) *FunctionError {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponseBytes))
	return parseReport(body, r.Header.Get(errorTypeHeader))
}

// parseReport parses an error report. A body that is not JSON is the message.
// kind is the type of an error whose report has none.
func parseReport(body []byte, kind string) *FunctionError {
	var report struct {
		Type       string            `json:"errorType"`
		Message    string            `json:"errorMessage"`
		StackTrace []json.RawMessage `json:"stackTrace"`
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return &FunctionError{Type: kind, Message: string(bytes.TrimSpace(body))}
	}
	e := &FunctionError{Type: cmp.Or(report.Type, kind), Message: report.Message}
	for _, raw := range report.StackTrace {
		var f StackFrame
		if json.Unmarshal(raw, &f) != nil && json.Unmarshal(raw, &f.Label) != nil {
			continue
		}
		e.StackTrace = append(e.StackTrace, f)
	}
	return e
}

// register records that the process wants SIGTERM before SIGKILL.
func (p *Process) register(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	p.registered = true
	p.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", requestid.New())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"functionName": p.options.FunctionName, "functionVersion": "$LATEST", "handler": "bootstrap"})
}

// extensionNext sends no response: the extension is registered for no event.
func (p *Process) extensionNext(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
}

func accept(w http.ResponseWriter) {
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}
