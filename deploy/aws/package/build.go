package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build builds the worker's binary as out, for Lambda on arm64. The binary is
// reproducible: it contains no path, time or revision of the checkout.
func build(ctx context.Context, root, worker, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build",
		"-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out,
		"./workers/"+worker+"/bootstrap")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build worker %s: %w\n%s", worker, err, bytes.TrimSpace(output))
	}
	return nil
}

// moduleRoot returns the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := string(bytes.TrimSpace(mod))
	if filepath.Base(file) != "go.mod" {
		return "", fmt.Errorf("go env GOMOD: got %q, want the go.mod of the module: run the command inside the repository", file)
	}
	return filepath.Dir(file), nil
}
