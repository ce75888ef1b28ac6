// Package httpevent serves the HTTP events of API Gateway, Lambda function URLs
// and Application Load Balancers with an http.Handler.
//
// Two libraries do this, and neither is right for every kind of event. Run on the
// events in testdata:
//
//   - lambdaurl of aws-lambda-go 1.55 reads function URLs only and responds as a
//     stream only. It drops the request's cookies, and a panic of the handler
//     ends the process.
//   - aws-lambda-go-api-proxy 0.16 has an adapter for each kind. For an HTTP API
//     it cuts a decoded path at a question mark, keeps the stage in the path, and
//     splits If-None-Match and other headers at their commas. For an ALB it
//     escapes the query a second time and has no client address, and with
//     multi-value headers no host. RemoteAddr has no port, which
//     net.SplitHostPort refuses.
//
// A REST API, a function URL and an ALB keep the path as the client encoded it.
// An HTTP API decodes it, which no reader can undo: characters that a URL cannot
// hold are escaped again, and an encoded slash has become a slash. The query of a
// REST API arrives decoded; that of an ALB does not.
package httpevent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Kind is the service that an event comes from.
type Kind string

// The kinds of HTTP events.
const (
	RESTAPI     Kind = "rest-api"     // API Gateway REST API
	HTTPAPI     Kind = "http-api"     // API Gateway HTTP API, payload format 1.0 or 2.0
	FunctionURL Kind = "function-url" // Lambda function URL
	ALB         Kind = "alb"          // Application Load Balancer
)

// Info describes the request's event.
type Info struct {
	Kind      Kind
	RequestID string // of API Gateway or the function URL; "" for an ALB
	Stage     string // of the API; "" where there is none
	ClientIP  string // as the service saw it; for an ALB the last entry of X-Forwarded-For
}

type infoKey struct{}

// FromContext returns the Info of the event that ctx belongs to, and false
// outside of one.
func FromContext(ctx context.Context) (Info, bool) {
	i, ok := ctx.Value(infoKey{}).(Info)
	return i, ok
}

// An EventError says why a payload is not an HTTP event.
type EventError struct {
	Field  string // such as "requestContext.http"; "" is the whole payload
	Reason string
}

func (e *EventError) Error() string {
	if e.Field == "" {
		return "HTTP event: " + e.Reason
	}
	return "HTTP event: " + e.Field + ": " + e.Reason
}

// payload has those members of all kinds that make a request.
type payload struct {
	Version           string              `json:"version"`
	Resource          *string             `json:"resource"`
	RouteKey          *string             `json:"routeKey"`
	RawPath           string              `json:"rawPath"`
	RawQueryString    string              `json:"rawQueryString"`
	Cookies           []string            `json:"cookies"`
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
	RequestContext    *struct {
		ELB  *struct{} `json:"elb"`
		HTTP *struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		Identity struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		RequestID  string `json:"requestId"`
		Stage      string `json:"stage"`
		DomainName string `json:"domainName"`
	} `json:"requestContext"`
}

// Event is a decoded event. It determines the form of the response.
type Event struct {
	Info
	version2   bool // payload format 2.0: of HTTP APIs and function URLs
	multiValue bool // header values are lists
}

// Decode makes the request of an event. The request's context is ctx with the
// event's Info. An error is an *EventError.
func Decode(ctx context.Context, event []byte) (*http.Request, *Event, error) {
	var p payload
	if err := json.Unmarshal(event, &p); err != nil {
		return nil, nil, jsonError(err)
	}
	e := &Event{multiValue: p.MultiValueHeaders != nil}
	if err := e.identify(&p); err != nil {
		return nil, nil, err
	}
	r, err := e.request(ctx, &p)
	if err != nil {
		return nil, nil, err
	}
	return r, e, nil
}

func jsonError(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		return &EventError{t.Field, fmt.Sprintf("got a JSON %s, want another type", t.Value)}
	}
	return &EventError{"", "got no JSON object"}
}

// identify sets the kind by the members that only this kind has.
func (e *Event) identify(p *payload) error {
	c := p.RequestContext
	if c == nil {
		return &EventError{"requestContext", "is missing: want an event of API Gateway, a function URL or an ALB"}
	}
	switch {
	case c.ELB != nil:
		e.Kind = ALB
	case strings.HasPrefix(p.Version, "2."):
		if c.HTTP == nil {
			return &EventError{"requestContext.http", "is missing"}
		}
		e.version2, e.ClientIP = true, c.HTTP.SourceIP
		if e.Kind = HTTPAPI; strings.Contains(c.DomainName, ".lambda-url.") || p.RouteKey == nil {
			e.Kind = FunctionURL
		}
	case p.Version == "1.0":
		e.Kind = HTTPAPI
	case p.Version == "" && p.Resource != nil:
		e.Kind = RESTAPI
	default:
		return &EventError{"version", fmt.Sprintf("got %q, want 1.0 or 2.0, or an event of a REST API or an ALB", p.Version)}
	}
	e.RequestID, e.Stage = c.RequestID, c.Stage
	if e.ClientIP == "" {
		e.ClientIP = c.Identity.SourceIP
	}
	return nil
}

func (e *Event) request(ctx context.Context, p *payload) (*http.Request, error) {
	method, path, field := p.HTTPMethod, p.Path, "path"
	if e.version2 {
		method, path, field = p.RequestContext.HTTP.Method, p.RawPath, "rawPath"
	}
	if !strings.HasPrefix(path, "/") {
		return nil, &EventError{field, fmt.Sprintf("got %q, want a path that begins with /", path)}
	}
	if e.Kind == HTTPAPI {
		path = withoutStage(path, e.Stage)
	}
	header := e.header(p)
	if e.Kind == ALB {
		e.ClientIP = lastEntry(header.Get("X-Forwarded-For"))
	}
	body := p.Body
	if p.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil, &EventError{"body", "isBase64Encoded is true, and the body is no base64"}
		}
		body = string(b)
	}
	target := escapePath(path)
	if q := e.query(p); q != "" {
		target += "?" + q
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, &EventError{field, fmt.Sprintf("got %q, want a path and query as in a URL", target)}
	}
	u.Scheme, u.Host = "https", header.Get("Host")
	if u.Host == "" {
		u.Host = p.RequestContext.DomainName
	}
	if header.Get("X-Forwarded-Proto") == "http" {
		u.Scheme = "http"
	}
	r, err := http.NewRequestWithContext(context.WithValue(ctx, infoKey{}, e.Info), method, "http://host/", strings.NewReader(body))
	if err != nil || method == "" {
		return nil, &EventError{"httpMethod", fmt.Sprintf("got %q, want a method such as GET", method)}
	}
	header.Del("Host") // as in a request of net/http's server
	r.URL, r.Host, r.RequestURI, r.Header = u, u.Host, target, header
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if e.ClientIP != "" {
		r.RemoteAddr = net.JoinHostPort(e.ClientIP, "0")
	}
	return r, nil
}

// header returns the headers under canonical names. Payload format 2.0 joins the
// values of a name by commas, which stay, and lists cookies apart.
func (e *Event) header(p *payload) http.Header {
	h := make(http.Header, max(len(p.Headers), len(p.MultiValueHeaders))+1)
	if e.multiValue {
		for name, values := range p.MultiValueHeaders {
			for _, v := range values {
				h.Add(name, v)
			}
		}
	} else {
		for name, value := range p.Headers {
			h.Add(name, value)
		}
	}
	if len(p.Cookies) > 0 {
		h.Set("Cookie", strings.Join(p.Cookies, "; "))
	}
	return h
}

// query returns the encoded query.
func (e *Event) query(p *payload) string {
	if e.version2 {
		return p.RawQueryString
	}
	values := url.Values(p.MultiValueQuery)
	if values == nil {
		values = make(url.Values, len(p.Query))
		for name, value := range p.Query {
			values.Set(name, value)
		}
	}
	if e.Kind != ALB {
		return values.Encode()
	}
	decoded := make(url.Values, len(values))
	for name, list := range values {
		for _, v := range list {
			decoded.Add(unescape(name), unescape(v))
		}
	}
	return decoded.Encode()
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// withoutStage removes the stage that an HTTP API puts before the path.
func withoutStage(path, stage string) string {
	if stage == "" || stage == "$default" {
		return path
	}
	rest, ok := strings.CutPrefix(path, "/"+stage)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return path
	case rest == "":
		return "/"
	}
	return rest
}

// escapePath escapes the bytes that the path of a URL cannot hold: an encoded
// path stays as it is, and a decoded one becomes valid.
func escapePath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0,
			c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// lastEntry is the address that the load balancer added. A client can forge the
// entries before it.
func lastEntry(list string) string {
	last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
	if host, _, err := net.SplitHostPort(last); err == nil {
		return host
	}
	return strings.Trim(last, "[]")
}
