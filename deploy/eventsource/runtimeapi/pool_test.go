package runtimeapi

import (
	"errors"
	"sync"
	"testing"
	"time"
)

func TestPoolReusesAnIdleProcess(t *testing.T) {
	t.Parallel()
	path, env := self(t, "echo")
	p := NewPool(path, env, nil)
	t.Cleanup(p.Close)
	first := invokeEcho(t, t.Context(), p.Invoke, `1`)
	second := invokeEcho(t, t.Context(), p.Invoke, `2`)
	if first.PID != second.PID {
		t.Errorf("got processes %d and %d, want one", first.PID, second.PID)
	}
}

func TestPoolReplacesAProcessThatEnded(t *testing.T) {
	t.Parallel()
	path, env := self(t, "panic")
	p := NewPool(path, env, nil)
	t.Cleanup(p.Close)
	for range 3 {
		_, err := p.Invoke(t.Context(), []byte(`{}`))
		if got, ok := errors.AsType[*FunctionError](err); !ok || got.Message != "boom" {
			t.Fatalf("got %v, want the panic of a process that saw the event", err)
		}
	}
}

func TestPoolRunsInvocationsInOwnProcesses(t *testing.T) {
	t.Parallel()
	path, env := self(t, "hang")
	p := NewPool(path, env, &Options{Timeout: 100 * time.Millisecond})
	t.Cleanup(p.Close)
	var wg sync.WaitGroup
	for range 2 { // in one process the second would not even begin before its deadline, and fail by Idle or at the kill
		wg.Go(func() {
			_, err := p.Invoke(t.Context(), []byte(`{}`))
			if _, ok := errors.AsType[*TimeoutError](err); !ok {
				t.Errorf("got %v, want its own timeout", err)
			}
		})
	}
	wg.Wait()
}

func TestPoolClosed(t *testing.T) {
	t.Parallel()
	path, env := self(t, "echo")
	p := NewPool(path, env, nil)
	invokeEcho(t, t.Context(), p.Invoke, `1`)
	p.Close()
	if _, err := p.Invoke(t.Context(), []byte(`1`)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
