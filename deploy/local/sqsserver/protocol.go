package sqsserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"sluice/deploy/internal/requestid"
	"sluice/deploy/local/store"
)

// maxRequestBytes bounds a request. A batch of 1 MiB grows when JSON escapes its characters and base64 its binary values; what
// is longer than this is refused before it is read.
const maxRequestBytes = 8 << 20

const targetPrefix = "AmazonSQS."

// request is what an action knows beside its input.
type request struct {
	base string // of queue URLs, where Options.BaseURL does not say
}

// action is one action of the protocol: input as JSON to output, which is encoded if it is not nil.
type action func(s *Service, ctx context.Context, r *request, in []byte) (any, error)

// typed makes an action out of a method on decoded input.
func typed[I, O any](f func(*Service, context.Context, *request, *I) (*O, error)) action {
	return func(s *Service, ctx context.Context, r *request, raw []byte) (any, error) {
		in := new(I)
		if err := decodeInput(raw, in); err != nil {
			return nil, err
		}
		out, err := f(s, ctx, r, in)
		if err != nil || out == nil {
			return nil, err
		}
		return out, nil
	}
}

// decodeInput takes the quick way where there is one and the text is of the usual kind.
func decodeInput[I any](raw []byte, in *I) error {
	if q, ok := any(in).(quick); ok && utf8.Valid(raw) {
		if readQuick(raw, q) {
			return nil
		}
		*in = *new(I)
	}
	return decodeJSON(raw, in)
}

// decodeJSON is strict where encoding/json is not: it would replace text that is no Unicode without a word, and the digest in
// the answer would not be that of what the client sent.
func decodeJSON(raw []byte, in any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	if !utf8.Valid(raw) || hasLoneSurrogate(raw) {
		return errContents("the request")
	}
	if err := json.Unmarshal(raw, in); err != nil {
		return newError("SerializationException", "SerializationException", "The request is not what the protocol expects: %v", err)
	}
	return nil
}

// hasLoneSurrogate finds \u escapes of half a character in JSON text.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the escape just before was a first half
	for i := 0; i < len(raw); {
		j := bytes.IndexByte(raw[i:], '\\')
		if j < 0 || j > 0 && high {
			return high
		}
		i += j
		if i+1 >= len(raw) || raw[i+1] != 'u' {
			if high {
				return true
			}
			i += 2
			continue
		}
		u, err := uint64(0), error(nil)
		if i+6 <= len(raw) {
			u, err = strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		}
		low := u >= 0xDC00 && u <= 0xDFFF
		if err != nil || low != high {
			return true
		}
		high = u >= 0xD800 && u <= 0xDBFF
		i += 6
	}
	return high
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= 256<<10 { // a rare giant is not kept
		buf.Reset()
		buffers.Put(buf)
	}
}

// ServeHTTP answers one action of the AWS JSON 1.0 protocol, or of the query protocol that SQS had before.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestid.New()
	w.Header().Set("x-amzn-RequestId", id)
	if r.Method == http.MethodPost && isQuery(r) {
		s.serveQuery(w, r, id)
		return
	}
	name, err := actionName(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	act, ok := actions[name]
	if !ok {
		s.fail(w, r, newError("UnknownOperationException", "InvalidAction", "The action %s is not valid for this endpoint.", name))
		return
	}
	in, free, err := readBody(w, r)
	defer free()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out, err := act(s, r.Context(), &request{base: "http://" + r.Host}, in)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	text := buffers.Get().(*bytes.Buffer)
	defer giveBack(text)
	body := text.AvailableBuffer()
	switch out := out.(type) {
	case nil:
	case appender:
		body = out.appendJSON(body)
		text.Write(body) // so that the buffer keeps what it grew to
	default:
		if body, err = json.Marshal(out); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that is gone gets its message again after the visibility timeout
}

// actionName takes the action out of a request, or says what kind of request it is instead.
func actionName(r *http.Request) (string, error) {
	target := r.Header.Get("X-Amz-Target")
	if name, ok := strings.CutPrefix(target, targetPrefix); ok && r.Method == http.MethodPost {
		return name, nil
	}
	if r.Method != http.MethodPost {
		return "", &Error{"MethodNotAllowed", "MethodNotAllowed", http.StatusMethodNotAllowed, "SQS actions are POST requests."}
	}
	return "", newError("UnknownOperationException", "InvalidAction", "The header X-Amz-Target names no action of SQS: %q.", target)
}

// readBody reads at most maxRequestBytes. The body may be used until free is called.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, free func(), err error) {
	tooLong := &Error{"RequestTooLargeException", "RequestEntityTooLarge", http.StatusRequestEntityTooLarge, fmt.Sprintf("A request has at most %d bytes.", maxRequestBytes)}
	nothing := func() {}
	if r.ContentLength > maxRequestBytes {
		return nil, nothing, tooLong
	}
	if whole, ok := r.Body.(interface{ Bytes() []byte }); ok { // it was read to be hashed, see sigv4.Body
		if len(whole.Bytes()) > maxRequestBytes {
			return nil, nothing, tooLong
		}
		return whole.Bytes(), nothing, nil
	}
	buf := buffers.Get().(*bytes.Buffer)
	free = func() { giveBack(buf) }
	_, err = buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, free, tooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, free, newError("SerializationException", "SerializationException", "The request ended early: %v", err)
	}
	return buf.Bytes(), free, nil
}

// fail answers with an error in the form that both the JSON and the query protocol's names can be read from.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := s.known(r, err)
	body, _ := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{typeNamespace(e.Type) + "#" + e.Type, e.Message})
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("x-amzn-query-error", e.Code+";"+e.fault())
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// known is the answer that err stands for. What is nobody's fault outside is logged.
func (s *Service) known(r *http.Request, err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = internal(err)
		if r.Context().Err() == nil {
			s.opt.Logger.ErrorContext(r.Context(), "serve SQS", "target", r.Header.Get("X-Amz-Target"), "error", err)
		}
	}
	return e
}

// internal turns a failure of the store into an answer that clients try again.
func internal(err error) *Error {
	if full, ok := errors.AsType[*store.FullError](err); ok {
		return &Error{"InternalFailure", "InternalFailure", http.StatusInsufficientStorage, full.Error()}
	}
	if errors.Is(err, store.ErrClosed) {
		return &Error{"ServiceUnavailable", "ServiceUnavailable", http.StatusServiceUnavailable, "The service is ending."}
	}
	return &Error{"InternalFailure", "InternalFailure", http.StatusInternalServerError, err.Error()}
}

// typeNamespace is that of SQS's own errors or of the common ones.
func typeNamespace(typ string) string {
	switch typ {
	case "InvalidParameterValueException", "MissingRequiredParameterException", "UnknownOperationException", "SerializationException":
		return "com.amazon.coral.service"
	}
	return "com.amazonaws.sqs"
}
