package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/deploy/functions"
)

// patience is the timeout for things that happen at once.
const patience = 10 * time.Second

// TestBinariesEndAtOnce ends a binary by SIGTERM and by a response of the Runtime
// API. The binaries do not handle SIGTERM; setup.Start explains it.
func TestBinariesEndAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		handle http.HandlerFunc
		signal os.Signal
		status func(*os.ProcessState) bool
		logs   string
	}{
		"SIGTERM": {
			signal: syscall.SIGTERM,
			status: func(s *os.ProcessState) bool { return s.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM },
		},
		"410": {
			handle: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
			status: func(s *os.ProcessState) bool { return s.ExitCode() == 1 },
			logs:   "410",
		},
	} {
		for _, worker := range functions.Workers() {
			t.Run(name+"/"+worker, func(t *testing.T) {
				t.Parallel()
				binary := bootstrap(t, worker)
				s := newServer(t, tt.handle)
				var out output
				cmd, ended := spawn(t, binary, append(startSettings, "AWS_LAMBDA_RUNTIME_API="+s.Listener.Addr().String()), &out)
				s.wantFirst(t, ended, "GET /2018-06-01/runtime/invocation/next")
				if tt.signal != nil {
					if err := cmd.Process.Signal(tt.signal); err != nil {
						t.Fatal(err)
					}
				}
				select {
				case <-ended:
				case <-time.After(patience):
					t.Fatal("the process is still running")
				}
				if !tt.status(cmd.ProcessState) {
					t.Errorf("process state: got %v", cmd.ProcessState)
				}
				if !strings.Contains(out.String(), tt.logs) {
					t.Errorf("log: got %s, want %q in it", out.String(), tt.logs)
				}
				s.wantNoMore(t)
			})
		}
	}
}

// TestSIGTERMDuringAnInvocationSendsNoResponse ends a process during an
// invocation. It must not send a response, which could report a record as done;
// the source then delivers the batch again. Lambda itself ends processes between
// invocations only.
func TestSIGTERMDuringAnInvocationSendsNoResponse(t *testing.T) {
	for worker, tt := range map[string]struct{ event, hangs string }{
		"uploads":  {"uploads/all-formats-in-queue", "AWS_ENDPOINT_URL_S3"},
		"changes":  {"changes/order-through-its-steps", "AWS_ENDPOINT_URL_SQS"},
		"messages": {"messages/fair-queue", "AWS_ENDPOINT_URL_DYNAMODB"},
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			binary, silent, event := bootstrap(t, worker), newServer(t, nil), recordedEvent(t, tt.event)
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
				w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
				w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:worker")
				_, _ = w.Write(event)
			})
			var out output
			cmd, ended := spawn(t, binary, environ(newHarness(t, event), tt.hangs+"="+silent.URL, "AWS_LAMBDA_RUNTIME_API="+s.Listener.Addr().String()), &out)
			s.wantFirst(t, ended, "GET /2018-06-01/runtime/invocation/next")
			select {
			case <-silent.requests: // the invocation is running
			case <-ended:
				t.Fatalf("the process ended: %s", out.String())
			case <-time.After(patience):
				t.Fatal("no request to the backend")
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the process is still running")
			}
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGTERM {
				t.Errorf("process state: got %v", cmd.ProcessState)
			}
			s.wantNoMore(t)
		})
	}
}
