package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sluice/deploy/functions"
)

// functionHead matches the beginning of a function in the template, with the
// Metadata that sam build reads.
var functionHead = regexp.MustCompile(`(?m)^  (\w+Function):.*\n    Type: AWS::Serverless::Function\n(    Metadata:\n(?:      .*\n)+)    Properties:\n`)

// writeTemplate writes the template with the zips in place of the instructions
// for sam build.
func writeTemplate(root, file string) error {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "aws", "template.yaml"))
	if err != nil {
		return err
	}
	packaged, err := withZips(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(packaged), 0o644)
}

// withZips names each function's zip in the template's text, and changes
// nothing else.
func withZips(text string) (string, error) {
	zips := map[string]string{}
	for _, f := range functions.Mapped() {
		zips[f.LogicalName()+"Function"] = f.Worker + ".zip"
	}
	seen := 0
	var unknown error
	text = functionHead.ReplaceAllStringFunc(text, func(head string) string {
		m := functionHead.FindStringSubmatch(head)
		zip, ok := zips[m[1]]
		if !ok {
			unknown = fmt.Errorf("template.yaml: %s is not in the table of functions", m[1])
		}
		seen++
		return strings.Replace(head, m[2], "", 1) + "      CodeUri: " + zip + "\n"
	})
	if unknown == nil && seen != len(zips) {
		unknown = fmt.Errorf("template.yaml: got %d functions that are built, want the %d of the table of functions", seen, len(zips))
	}
	return strings.Replace(text, "    CodeUri: .\n", "", 1), unknown
}
