// Package setuptest keeps the user's AWS settings out of tests.
package setuptest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Main runs m without the AWS settings of the user's environment and files: a
// profile that does not exist, for example, or a bundle of certificates. The
// endpoints of engines, AWS_ENDPOINT_URL_DYNAMODB and the like, stay. A package's
// TestMain calls it last.
func Main(m *testing.M) {
	if err := ClearAWS(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ClearAWS changes the environment of the process as Main describes.
func ClearAWS() error {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "AWS_ENDPOINT_URL_") || strings.HasPrefix(name, "AWS_LAMBDA_") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if err := os.Setenv(name, os.DevNull); err != nil {
			return err
		}
	}
	return os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}
