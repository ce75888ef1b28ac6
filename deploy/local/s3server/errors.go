package s3server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"sluice/deploy/local/store"
)

// Error is an answer that S3 has a code for.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is makes errors with the same code equal, whatever their message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// because returns a copy of e with a message of its own.
func (e *Error) because(format string, args ...any) *Error {
	return &Error{e.Status, e.Code, fmt.Sprintf(format, args...)}
}

var (
	errBadDigest         = &Error{http.StatusBadRequest, "BadDigest", "The checksum you specified did not match what we received."}
	errBucketExists      = &Error{http.StatusConflict, "BucketAlreadyOwnedByYou", "The bucket you tried to create already exists, and you own it."}
	errBucketNotEmpty    = &Error{http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty."}
	errEntityTooLarge    = &Error{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size."}
	errEntityTooSmall    = &Error{http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size: every part but the last must have 5 MiB."}
	errIncompleteBody    = &Error{http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."}
	errInternal          = &Error{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
	errInvalidArgument   = &Error{http.StatusBadRequest, "InvalidArgument", "Invalid Argument"}
	errInvalidDigest     = &Error{http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid."}
	errInvalidPart       = &Error{http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found, or the specified entity tag may not match the part's entity tag."}
	errInvalidPartOrder  = &Error{http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order."}
	errInvalidPartNumber = &Error{http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable"}
	errInvalidRange      = &Error{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable"}
	errInvalidRequest    = &Error{http.StatusBadRequest, "InvalidRequest", "Invalid Request"}
	errInvalidURI        = &Error{http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI."}
	errKeyTooLong        = &Error{http.StatusBadRequest, "KeyTooLongError", "Your key is too long: a key has at most 1024 bytes."}
	errMalformedTrailer  = &Error{http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."}
	errMalformedXML      = &Error{http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema."}
	errMetadataTooLarge  = &Error{http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size."}
	errMethod            = &Error{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	errMissingLength     = &Error{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	errNoRoom            = &Error{http.StatusInsufficientStorage, "InsufficientStorage", "The disk of this home is full, and nothing was stored. Free some room and try again."}
	errNoSuchBucket      = &Error{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	errNoSuchKey         = &Error{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	errNoSuchUpload      = &Error{http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}
	errNoSuchVersion     = &Error{http.StatusNotFound, "NoSuchVersion", "The specified version does not exist: buckets of this home are not versioned."}
	errNotImplemented    = &Error{http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented."}
	errNotModified       = &Error{http.StatusNotModified, "NotModified", "Not Modified"}
	errPrecondition      = &Error{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	errSHA256Mismatch    = &Error{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	errSignature         = &Error{http.StatusForbidden, "SignatureDoesNotMatch", "The signature of a chunk does not match what was computed."}
)

// asError finds the S3 answer to err. What only we can do something about is an InternalError, and ours is true.
func asError(err error) (e *Error, ours bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e, false
	}
	if _, ok := errors.AsType[*store.FullError](err); ok || isFull(err) {
		return errNoRoom, true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errInternal, false
	}
	return errInternal, true
}

// isFull tells the errors of a write that found no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// errorBody is the XML of an error.
type errorBody struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Resource  string
	RequestID string `xml:"RequestId"`
}
