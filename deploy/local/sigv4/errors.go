package sigv4

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// Error is the reason why a request is refused, with S3's error code. In the
// response of another service the code is translated to AWS's JSON protocols.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

var (
	errAnonymous = &Error{http.StatusForbidden, "AccessDenied", "Access Denied: the request is not signed"}
	errAccessKey = &Error{http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	errSignature = &Error{
		http.StatusForbidden, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	}
	errSkew      = &Error{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	errToken     = &Error{http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise invalid: the local stack issues no session tokens."}
	errMechanism = &Error{
		http.StatusBadRequest, "InvalidRequest",
		"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
	}
)

func denied(message string) *Error {
	return &Error{http.StatusForbidden, "AccessDenied", message}
}

// jsonNames maps an S3 error code to its names in the other protocols: the
// shape name of the JSON protocols, and the error code of the query protocol.
var jsonNames = map[string][2]string{
	"AccessDenied":                      {"AccessDeniedException", "AccessDenied"},
	"InvalidAccessKeyId":                {"UnrecognizedClientException", "InvalidClientTokenId"},
	"SignatureDoesNotMatch":             {"InvalidSignatureException", "SignatureDoesNotMatch"},
	"RequestTimeTooSkewed":              {"InvalidSignatureException", "SignatureDoesNotMatch"},
	"InvalidToken":                      {"UnrecognizedClientException", "InvalidClientTokenId"},
	"AuthorizationHeaderMalformed":      {"IncompleteSignatureException", "IncompleteSignature"},
	"AuthorizationQueryParametersError": {"IncompleteSignatureException", "IncompleteSignature"},
}

func (e *Error) write(w http.ResponseWriter, r *http.Request, service string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if r.ContentLength != 0 { // the unread body may be large
		h.Set("Connection", "close")
	}
	if service == "s3" {
		h.Set("Content-Type", "application/xml")
		w.WriteHeader(e.Status)
		if r.Method == http.MethodHead {
			return
		}
		type body struct {
			XMLName  xml.Name `xml:"Error"`
			Code     string
			Message  string
			Resource string
		}
		b, _ := xml.Marshal(body{Code: e.Code, Message: e.Message, Resource: r.URL.Path})
		_, _ = fmt.Fprintf(w, "%s%s", xml.Header, b) // the client may have disconnected
		return
	}
	names, ok := jsonNames[e.Code]
	if !ok {
		names = [2]string{e.Code, e.Code}
	}
	if e == errAnonymous {
		names = [2]string{"MissingAuthenticationTokenException", "MissingAuthenticationToken"}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") { // the query protocol
		type inner struct{ Type, Code, Message string }
		type body struct {
			XMLName xml.Name `xml:"ErrorResponse"`
			Error   inner
		}
		b, _ := xml.Marshal(body{Error: inner{"Sender", names[1], e.Message}})
		h.Set("Content-Type", "text/xml")
		w.WriteHeader(e.Status)
		_, _ = fmt.Fprintf(w, "%s%s", xml.Header, b)
		return
	}
	b, _ := json.Marshal(map[string]string{"__type": "com.amazon.coral.service#" + names[0], "message": e.Message})
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Query-Error", names[1]+";Sender")
	w.WriteHeader(e.Status)
	_, _ = w.Write(b) // the client may have disconnected
}
