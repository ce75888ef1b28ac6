package runtimeapi

import (
	"fmt"
	"strings"
	"time"
)

// FunctionError is an error that the function reported.
type FunctionError struct {
	Type       string // errorType: in Go, the name of the outermost type
	Message    string
	StackTrace []StackFrame // of a panic
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function error %s: %s", e.Type, e.Message)
}

// StackFrame is one line of a stack trace. If a runtime reports the line as a
// string, only Label is set.
type StackFrame struct {
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Label string `json:"label"`
}

// RequestTooLargeError reports an event that is larger than Lambda accepts.
type RequestTooLargeError struct{ Bytes int }

func (e *RequestTooLargeError) Error() string {
	return fmt.Sprintf("request: got %d bytes, want at most %d", e.Bytes, MaxRequestBytes)
}

// InitError reports a process that did not ask for its first invocation.
type InitError struct {
	Type     string // as reported, or Runtime.ExitError or Sandbox.Timedout
	Message  string
	ExitCode int    // -1 if the process was killed or had not ended
	Output   string // the end of its output
}

func (e *InitError) Error() string {
	return withOutput(fmt.Sprintf("init error %s: %s", e.Type, e.Message), e.Output)
}

// TimeoutError reports an invocation that passed its deadline. Its process was
// killed.
type TimeoutError struct {
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("task timed out after %.2f seconds", e.After.Seconds())
}

// ExitError reports a process that ended without a response.
type ExitError struct {
	RequestID string
	Code      int    // exit code; -1 if a signal ended the process
	Output    string // the end of its output
	Idle      bool   // the process ended before it received the event
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
