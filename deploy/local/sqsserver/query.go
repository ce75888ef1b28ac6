package sqsserver

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"sluice/deploy/local/sqsserver/sqserr"
)

// isQuery reports whether a request is in the query protocol, in which an action
// and its parameters are a form and the response is XML. The AWS CLI before 1.31
// and 2.14 uses it, that of Debian 12 among them, and SDKs from before 2024 do.
func isQuery(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded" && r.Header.Get("X-Amz-Target") == ""
}

// serveQuery serves a request in the query protocol.
func (s *Service) serveQuery(w http.ResponseWriter, r *http.Request, id string) {
	name, out, err := s.runQuery(w, r)
	if err != nil {
		e := s.errorOf(r, err)
		writeXML(w, e.Status, appendError(nil, e, id))
		return
	}
	writeXML(w, http.StatusOK, appendResponse(nil, name, out, id))
}

// runQuery runs the action of a request in the query protocol. It converts the
// form to the input of the JSON protocol, so that both have the same actions.
func (s *Service) runQuery(w http.ResponseWriter, r *http.Request) (name string, out any, err error) {
	raw, release, err := readBody(w, r)
	defer release()
	if err != nil {
		return "", nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return "", nil, sqserr.New("MalformedQueryString", "MalformedQueryString", "The form cannot be read: %v", err)
	}
	name = form.Get("Action")
	if name == "" {
		return "", nil, sqserr.New("MissingAction", "MissingAction", "The request must contain the parameter Action.")
	}
	act, ok := actions[name]
	if !ok {
		return "", nil, errUnknownAction(name)
	}
	if form.Get("QueueUrl") == "" && strings.Trim(r.URL.Path, "/") != "" {
		form.Set("QueueUrl", r.URL.EscapedPath()) // the client posts to the queue
	}
	in, err := formToJSON(form)
	if err != nil {
		return "", nil, err
	}
	out, err = act(r.Context(), s.Service, in)
	if err == nil {
		completeURLs("http://"+r.Host, out)
	}
	return name, out, err
}
