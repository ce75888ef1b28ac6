package sqsserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"sluice/deploy/internal/requestid"
	"sluice/deploy/local/sqsserver/sqserr"
)

// maxRequestBytes bounds a request. A batch of 1 MiB grows when JSON escapes its
// characters and base64 encodes its binary values; a longer request is refused
// before it is read.
const maxRequestBytes = 8 << 20

// targetPrefix begins the X-Amz-Target header of every action.
const targetPrefix = "AmazonSQS."

// buffers holds request and response bodies.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func releaseBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= 256<<10 { // the rare large one is not kept
		buf.Reset()
		buffers.Put(buf)
	}
}

// ServeHTTP serves one action of the AWS JSON 1.0 protocol or of the query
// protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestid.New()
	w.Header().Set("x-amzn-RequestId", id)
	if r.Method == http.MethodPost && isQuery(r) {
		s.serveQuery(w, r, id)
		return
	}
	out, err := s.runJSON(w, r)
	if err != nil {
		s.writeJSONError(w, r, err)
		return
	}
	text := buffers.Get().(*bytes.Buffer)
	defer releaseBuffer(text)
	body := text.AvailableBuffer()
	if out != nil {
		if body, err = appendOutput(body, out); err != nil {
			s.writeJSONError(w, r, err)
			return
		}
		text.Write(body) // so that the pooled buffer keeps its size
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // if the client is gone, its messages return after the visibility timeout
}

// runJSON runs the action of a request in the JSON protocol.
func (s *Service) runJSON(w http.ResponseWriter, r *http.Request) (out any, err error) {
	name, err := actionName(r)
	if err != nil {
		return nil, err
	}
	act, ok := actions[name]
	if !ok {
		return nil, errUnknownAction(name)
	}
	in, release, err := readBody(w, r)
	defer release()
	if err != nil {
		return nil, err
	}
	out, err = act(r.Context(), s.Service, in)
	if err == nil {
		completeURLs("http://"+r.Host, out)
	}
	return out, err
}

// actionName returns the action that a request names.
func actionName(r *http.Request) (string, error) {
	target := r.Header.Get("X-Amz-Target")
	if name, ok := strings.CutPrefix(target, targetPrefix); ok && r.Method == http.MethodPost {
		return name, nil
	}
	if r.Method != http.MethodPost {
		return "", &sqserr.Error{Type: "MethodNotAllowed", Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "SQS actions are POST requests."}
	}
	return "", sqserr.New("UnknownOperationException", "InvalidAction", "The header X-Amz-Target names no action of SQS: %q.", target)
}

// readBody reads at most maxRequestBytes. The body is valid until release is
// called, which must be called even after an error.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	tooLong := &sqserr.Error{
		Type: "RequestTooLargeException", Code: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf("A request has at most %d bytes.", maxRequestBytes),
	}
	release = func() {}
	if r.ContentLength > maxRequestBytes {
		return nil, release, tooLong
	}
	if whole, ok := r.Body.(interface{ Bytes() []byte }); ok { // sigv4 has read it to hash it
		if len(whole.Bytes()) > maxRequestBytes {
			return nil, release, tooLong
		}
		return whole.Bytes(), release, nil
	}
	buf := buffers.Get().(*bytes.Buffer)
	release = func() { releaseBuffer(buf) }
	_, err = buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, release, tooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, release, sqserr.New("SerializationException", "SerializationException", "The request ended early: %v", err)
	}
	return buf.Bytes(), release, nil
}

// writeJSONError responds with an error. SDKs of both protocols find its name: in
// the body the JSON protocol's, in a header the query protocol's.
func (s *Service) writeJSONError(w http.ResponseWriter, r *http.Request, err error) {
	e := s.errorOf(r, err)
	body, _ := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{typeNamespace(e.Type) + "#" + e.Type, e.Message})
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("x-amzn-query-error", e.Code+";"+fault(e))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// errorOf returns the error that the client receives for err, and logs a failure
// of the service.
func (s *Service) errorOf(r *http.Request, err error) *sqserr.Error {
	if _, ok := errors.AsType[*sqserr.Error](err); !ok && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "serve SQS", "target", r.Header.Get("X-Amz-Target"), "error", err)
	}
	return sqserr.Of(err)
}

// fault names the side that is at fault, as the query protocol does.
func fault(e *sqserr.Error) string {
	if e.SenderFault() {
		return "Sender"
	}
	return "Receiver"
}

// typeNamespace is the namespace of an error type: that of SQS, or of the errors
// that all services have.
func typeNamespace(typ string) string {
	switch typ {
	case "InvalidParameterValueException", "MissingRequiredParameterException", "UnknownOperationException", "SerializationException":
		return "com.amazon.coral.service"
	}
	return "com.amazonaws.sqs"
}
