// Package s3error defines the error responses of the S3 API.
package s3error

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"sluice/deploy/local/store"
)

// Error is an error response of the S3 API.
type Error struct {
	Status  int    // HTTP status
	Code    string // S3's error code, such as NoSuchKey
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is reports whether target is an Error with the same code. Messages do not
// count.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// WithMessage returns a copy of e with another message.
func (e *Error) WithMessage(format string, args ...any) *Error {
	return &Error{e.Status, e.Code, fmt.Sprintf(format, args...)}
}

// The errors that the local stack responds with.
var (
	BadDigest             = &Error{http.StatusBadRequest, "BadDigest", "The checksum you specified did not match what we received."}
	BucketAlreadyOwned    = &Error{http.StatusConflict, "BucketAlreadyOwnedByYou", "The bucket you tried to create already exists, and you own it."}
	BucketNotEmpty        = &Error{http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty."}
	EntityTooLarge        = &Error{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size."}
	EntityTooSmall        = &Error{http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size: every part but the last must have at least 5 MiB."}
	IncompleteBody        = &Error{http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."}
	InsufficientStorage   = &Error{http.StatusInsufficientStorage, "InsufficientStorage", "The disk of the local stack is full, and nothing was stored. Free some room and try again."}
	Internal              = &Error{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
	InvalidArgument       = &Error{http.StatusBadRequest, "InvalidArgument", "Invalid Argument"}
	InvalidBucketName     = &Error{http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid."}
	InvalidDigest         = &Error{http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid."}
	InvalidPart           = &Error{http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found, or the specified entity tag may not match the part's entity tag."}
	InvalidPartOrder      = &Error{http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order."}
	InvalidPartNumber     = &Error{http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable"}
	InvalidRange          = &Error{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable"}
	InvalidRequest        = &Error{http.StatusBadRequest, "InvalidRequest", "Invalid Request"}
	InvalidURI            = &Error{http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI."}
	KeyTooLong            = &Error{http.StatusBadRequest, "KeyTooLongError", "Your key is too long: a key has at most 1024 bytes."}
	MalformedTrailer      = &Error{http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."}
	MalformedXML          = &Error{http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema."}
	MetadataTooLarge      = &Error{http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size."}
	MethodNotAllowed      = &Error{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	MissingContentLength  = &Error{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	NoSuchBucket          = &Error{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	NoSuchKey             = &Error{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	NoSuchUpload          = &Error{http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}
	NoSuchVersion         = &Error{http.StatusNotFound, "NoSuchVersion", "The specified version does not exist: buckets of the local stack are not versioned."}
	NotImplemented        = &Error{http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented."}
	NotModified           = &Error{http.StatusNotModified, "NotModified", "Not Modified"}
	PreconditionFailed    = &Error{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	ContentSHA256Mismatch = &Error{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	SignatureDoesNotMatch = &Error{http.StatusForbidden, "SignatureDoesNotMatch", "The signature of a chunk does not match what was computed."}
)

// Of returns the error response for err, and whether the cause lies in the server
// and not in the request. An error that is not an Error becomes InternalError, or
// InsufficientStorage if the disk is full.
func Of(err error) (e *Error, internal bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e, false
	}
	if _, ok := errors.AsType[*store.FullError](err); ok || isFull(err) {
		return InsufficientStorage, true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Internal, false
	}
	return Internal, true
}

// isFull reports whether a write failed for lack of room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
