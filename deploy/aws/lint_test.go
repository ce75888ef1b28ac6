package aws_test

import (
	"os/exec"
	"testing"
)

// TestLint runs cfn-lint, which knows CloudFormation's schemas.
func TestLint(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "cfn-lint", "--version").CombinedOutput(); err != nil {
		t.Skipf("cfn-lint does not start (pip install cfn-lint installs it): %v %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "cfn-lint", "--regions", region, "--", "template.yaml").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
