// Package sqserr has the errors of SQS, by the names that its two protocols give
// them.
package sqserr

import (
	"errors"
	"fmt"
	"net/http"

	"sluice/deploy/local/store"
)

// Error is an error of SQS.
type Error struct {
	// Type is the name in the JSON protocol, which SDKs map to an error type:
	// "QueueDoesNotExist".
	Type string

	// Code is the name in the query protocol, which SDKs show as the error's
	// code: "AWS.SimpleQueueService.NonExistentQueue".
	Code string

	// Status is the HTTP status of the response.
	Status int

	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// SenderFault reports whether the request is at fault and not the service.
func (e *Error) SenderFault() bool { return e.Status < 500 }

// codePrefix begins the codes that the query protocol shares with no other
// service.
const codePrefix = "AWS.SimpleQueueService."

// New returns an error with status 400.
func New(typ, code, format string, args ...any) *Error {
	return &Error{Type: typ, Code: code, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Of returns err if it is an [*Error], and otherwise a failure of the service
// that clients retry: the store is full, it is closed, or it failed.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if full, ok := errors.AsType[*store.FullError](err); ok {
		return &Error{"InternalFailure", "InternalFailure", http.StatusInsufficientStorage, full.Error()}
	}
	if errors.Is(err, store.ErrClosed) {
		return &Error{"ServiceUnavailable", "ServiceUnavailable", http.StatusServiceUnavailable, "The service is stopping."}
	}
	return &Error{"InternalFailure", "InternalFailure", http.StatusInternalServerError, err.Error()}
}

// QueueDoesNotExist is the error of an action on a queue that does not exist.
func QueueDoesNotExist() *Error {
	return New("QueueDoesNotExist", codePrefix+"NonExistentQueue", "The specified queue does not exist.")
}

// IsQueueDoesNotExist reports whether err is that a queue does not exist.
func IsQueueDoesNotExist(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Type == "QueueDoesNotExist"
}

// InvalidParameter refuses a parameter's value or a combination of parameters.
func InvalidParameter(format string, args ...any) *Error {
	return New("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

// InvalidValue is [InvalidParameter] in the form that SQS uses for most
// parameters.
func InvalidValue(value any, parameter, reason string) *Error {
	return InvalidParameter("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

// MissingParameter refuses a request without a required parameter.
func MissingParameter(parameter string) *Error {
	return New("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", parameter)
}

// InvalidAttributeName refuses the name of a queue attribute.
func InvalidAttributeName(format string, args ...any) *Error {
	return New("InvalidAttributeName", "InvalidAttributeName", format, args...)
}

// InvalidAttributeValue refuses the value of a queue attribute. The reason may be
// empty.
func InvalidAttributeValue(name, reason string) *Error {
	msg := "Invalid value for the parameter " + name + "."
	if reason != "" {
		msg += " Reason: " + reason
	}
	return New("InvalidAttributeValue", "InvalidAttributeValue", "%s", msg)
}

// ReceiptHandleIsInvalid refuses a receipt handle that the queue has not issued.
func ReceiptHandleIsInvalid(handle string) *Error {
	return New("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
}

// ReceiptHandleExpired refuses the receipt handle of a FIFO queue's message whose
// visibility timeout is over.
func ReceiptHandleExpired(handle string) *Error {
	return InvalidValue(handle, "ReceiptHandle", "The receipt handle has expired.")
}

// InvalidMessageContents refuses text with characters that XML 1.0 does not
// allow.
func InvalidMessageContents(where string) *Error {
	return New("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found in %s. Valid unicode characters are "+
		"#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", where)
}

// Unsupported refuses an action or parameter that SQS or this service does not
// implement.
func Unsupported(format string, args ...any) *Error {
	return Named("UnsupportedOperation", format, args...)
}

// ResourceNotFound is the error of a move task whose queues or handle do not
// exist.
func ResourceNotFound(format string, args ...any) *Error {
	e := New("ResourceNotFoundException", "ResourceNotFoundException", format, args...)
	e.Status = http.StatusNotFound
	return e
}

// Named returns an error whose code is its type behind the prefix that SQS has
// for its own errors.
func Named(typ, format string, args ...any) *Error {
	return New(typ, codePrefix+typ, format, args...)
}
