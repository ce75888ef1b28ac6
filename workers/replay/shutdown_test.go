package main

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/workers/replay/rig"
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
		for _, worker := range rig.Workers {
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
