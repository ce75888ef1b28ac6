package runtimeapi

import (
	"fmt"
	"strings"
	"time"
)

// FunctionError is an error that the function reported.
type FunctionError struct {
	Type       string // errorType: the outermost type's name in Go
	Message    string
	StackTrace []StackFrame // of a panic
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function error %s: %s", e.Type, e.Message)
}

// StackFrame is one line of a stack trace. A runtime that reports text fills the Label alone.
type StackFrame struct {
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Label string `json:"label"`
}

// RequestTooLargeError is an event that Lambda would not take.
type RequestTooLargeError struct{ Bytes int }

func (e *RequestTooLargeError) Error() string {
	return fmt.Sprintf("the request has %d bytes, at most %d are allowed", e.Bytes, MaxRequestBytes)
}

// InitError is a process that did not come as far as its first invocation.
type InitError struct {
	Type     string // what it reported, Runtime.ExitError or Sandbox.Timedout
	Message  string
	ExitCode int    // -1 when it was killed, or had not ended
	Output   string // the end of what it wrote
}

func (e *InitError) Error() string {
	return withOutput(fmt.Sprintf("init error %s: %s", e.Type, e.Message), e.Output)
}

// TimeoutError is an invocation that passed its deadline. Its process was killed.
type TimeoutError struct {
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("task timed out after %.2f seconds", e.After.Seconds())
}

// ExitError is a process that ended without an answer.
type ExitError struct {
	RequestID string
	Code      int    // exit code; -1 when a signal ended it
	Output    string // the end of what it wrote
	Idle      bool   // it ended before it took the invocation: the function never saw the event
}

func (e *ExitError) Error() string {
	return withOutput(fmt.Sprintf("request %s: runtime exited with status %d", e.RequestID, e.Code), e.Output)
}

func withOutput(text, output string) string {
	if output = strings.TrimSpace(output); output != "" {
		return text + "\n" + output
	}
	return text
}
