package setup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"sluice/workers/setup"
)

const memoryLimit = "SLUICE_TEST_MEMORY_LIMIT"

// tellMemoryLimit starts a worker that prints the limit it finds and does not start.
func tellMemoryLimit() {
	setup.Start("uploads", func(context.Context, map[string]string) (lambda.Handler, error) {
		fmt.Println(debug.SetMemoryLimit(-1))
		return nil, errors.New("seen")
	})
}

func TestStartLimitsTheMemory(t *testing.T) {
	t.Parallel()
	const none = "9223372036854775807"
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"of a function", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=640"}, "536870912"},
		{"by another limit", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=640", "GOMEMLIMIT=64MiB"}, "67108864"},
		{"not outside of Lambda", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="}, none},
		{"not by what is no number", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=-1"}, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), append(tt.environ, memoryLimit+"=1", "AWS_LAMBDA_RUNTIME_API=")...)
			out, err := cmd.Output()
			if _, ok := errors.AsType[*exec.ExitError](err); !ok {
				t.Fatalf("got %v, want exit 1", err)
			}
			if got := strings.TrimSpace(string(out)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
