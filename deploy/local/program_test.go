package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/deploy/local/admin"
)

// program is the command in a process of its own.
type program struct {
	*exec.Cmd
	stdout, stderr lockedBuffer
	lines          chan string   // of stdout and stderr; closed at the end
	ended          chan struct{} // closed when it has ended with err
	err            error
}

// startProgram starts the command. It is killed at the end of the test.
func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	return startProgramWith(t, nil, args...)
}

// startProgramWith is startProgram with additions to the environment.
func startProgramWith(t *testing.T, environ []string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...), lines: make(chan string, 10_000), ended: make(chan struct{})}
	p.Env = append(append(os.Environ(), environ...), childMain+"=1")
	out, in := io.Pipe()
	p.Stdout, p.Stderr = io.MultiWriter(&p.stdout, in), io.MultiWriter(&p.stderr, in)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	go func() {
		p.err = p.Wait()
		_ = in.Close()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.wait()
	})
	return p
}

// wait waits for the end. It may be called several times.
func (p *program) wait() error {
	<-p.ended
	return p.err
}

// await reads the output up to a line that contains text.
func (p *program) await(t *testing.T, text string) string {
	t.Helper()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the program ended before it printed %q:\n%s%s", text, p.stdout.String(), p.stderr.String())
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// serving starts a stack and returns a client of it.
func serving(t *testing.T, args ...string) (*program, *admin.Client) {
	t.Helper()
	p := startProgram(t, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.await(t, "Sluice serves S3 and SQS at ")
	dir := args[1+slices.Index(args, "-data")]
	r, running := admin.Find(dir)
	if !running {
		t.Fatalf("no stack runs on %s\n%s", dir, p.stderr.String())
	}
	return p, admin.NewClient(r, nil)
}

// kill sends SIGKILL and waits for the end.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](p.wait())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("killed: got %v", exit)
	}
}

// interrupt is Ctrl-C. It returns when the program handles it.
func (p *program) interrupt(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.await(t, "stopping: ")
}

// status waits for the end and returns the exit status.
func (p *program) status() int {
	_ = p.wait()
	return p.ProcessState.ExitCode()
}

// settleLimit bounds how long tests wait for a stack to be idle.
const settleLimit = 2 * time.Minute

// runningClient is a client of the stack that runs on dir.
func runningClient(t *testing.T, dir string) *admin.Client {
	t.Helper()
	r, running := admin.Find(dir)
	if !running {
		t.Fatalf("no stack runs on %s", dir)
	}
	return admin.NewClient(r, nil)
}
