package sqsserver

import (
	"fmt"
	"net/http"
)

// Error is an answer of SQS that is not success.
type Error struct {
	Type    string // the name in the JSON protocol, which SDKs make their type of: "QueueDoesNotExist"
	Code    string // the name in the older query protocol, which SDKs show as the code
	Status  int    // of HTTP
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// sender tells whether the caller is to blame.
func (e *Error) sender() bool { return e.Status < 500 }

// fault is who is to blame, in the query protocol's words.
func (e *Error) fault() string {
	if e.sender() {
		return "Sender"
	}
	return "Receiver"
}

const oldPrefix = "AWS.SimpleQueueService."

func newError(typ, code, format string, args ...any) *Error {
	return &Error{Type: typ, Code: code, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func errNoQueue() *Error {
	return newError("QueueDoesNotExist", oldPrefix+"NonExistentQueue", "The specified queue does not exist.")
}

func errInvalidParameter(format string, args ...any) *Error {
	return newError("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

// errValue is the form most refusals of a parameter have.
func errValue(value any, parameter, reason string) *Error {
	return errInvalidParameter("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

func errMissing(parameter string) *Error {
	return newError("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", parameter)
}

func errAttributeName(format string, args ...any) *Error {
	return newError("InvalidAttributeName", "InvalidAttributeName", format, args...)
}

func errAttributeValue(name, reason string) *Error {
	msg := "Invalid value for the parameter " + name + "."
	if reason != "" {
		msg += " Reason: " + reason
	}
	return newError("InvalidAttributeValue", "InvalidAttributeValue", "%s", msg)
}

func errHandle(handle string) *Error {
	return newError("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
}

func errHandleExpired(handle string) *Error {
	return errValue(handle, "ReceiptHandle", "The receipt handle has expired.")
}

func errContents(what string) *Error {
	return newError("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found in %s. Valid unicode characters are "+
		"#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", what)
}

func errUnsupported(format string, args ...any) *Error {
	return newError("UnsupportedOperation", oldPrefix+"UnsupportedOperation", format, args...)
}

func errNotFound(format string, args ...any) *Error {
	e := newError("ResourceNotFoundException", "ResourceNotFoundException", format, args...)
	e.Status = http.StatusNotFound
	return e
}

func errBatch(typ, format string, args ...any) *Error {
	return newError(typ, oldPrefix+typ, format, args...)
}
