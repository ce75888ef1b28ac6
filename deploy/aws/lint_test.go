package aws_test

import (
	"os/exec"
	"testing"
)

// TestLint runs cfn-lint, which knows CloudFormation's schemas.
func TestLint(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed: pip install cfn-lint")
	}
	out, err := exec.CommandContext(t.Context(), lint, "--regions", region, "--", "template.yaml").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
