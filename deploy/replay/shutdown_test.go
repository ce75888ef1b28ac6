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

// patience is how long a process may take to end that should end at once.
const patience = 10 * time.Second

// TestBinariesEnd: what Lambda ends a process with ends it at once. SIGTERM is
// not asked for (setup.Start says why); where somebody sends it all the same,
// nothing lingers.
func TestBinariesEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		signal os.Signal
		status func(*os.ProcessState) bool
		says   string
	}{
		"SIGTERM": {
			signal: syscall.SIGTERM,
			status: func(s *os.ProcessState) bool { return s.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM },
		},
		"410": {
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
			status: func(s *os.ProcessState) bool { return s.ExitCode() == 1 },
			says:   "410",
		},
	} {
		for _, worker := range functions.Workers() {
			t.Run(name+"/"+worker, func(t *testing.T) {
				t.Parallel()
				binary := bootstrap(t, worker)
				s := newServer(t, tt.answer)
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
					t.Fatal("still running")
				}
				if !tt.status(cmd.ProcessState) {
					t.Errorf("ended with %v", cmd.ProcessState)
				}
				if !strings.Contains(out.String(), tt.says) {
					t.Errorf("the log does not say %q: %s", tt.says, out.String())
				}
				s.wantNoMore(t)
			})
		}
	}
}

// TestSIGTERMInTheMiddle: a process that is ended in the middle of an invocation
// gives no answer, and above all not one that says that something is done. Lambda
// never does so: it ends processes between invocations. Whoever else does, the
// source brings all of it again, and what was done before is known.
func TestSIGTERMInTheMiddle(t *testing.T) {
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
			cmd, ended := spawn(t, binary, environ(newRig(t, event), tt.hangs+"="+silent.URL, "AWS_LAMBDA_RUNTIME_API="+s.Listener.Addr().String()), &out)
			s.wantFirst(t, ended, "GET /2018-06-01/runtime/invocation/next")
			select {
			case <-silent.asked: // it is in the middle
			case <-ended:
				t.Fatalf("the process ended: %s", out.String())
			case <-time.After(patience):
				t.Fatal("nothing was begun")
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("still running")
			}
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGTERM {
				t.Errorf("ended with %v", cmd.ProcessState)
			}
			s.wantNoMore(t)
		})
	}
}
