package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// packages are the zips of the template's functions.
var packages = map[string]string{
	"UploadsFunction": "uploads.zip", "JobsFunction": "messages.zip", "NotificationsFunction": "messages.zip", "ChangesFunction": "changes.zip",
}

// howToBuild is what sam build reads of a function: that it is built, and how.
var howToBuild = regexp.MustCompile(`(?m)^  (\w+Function):.*\n    Type: AWS::Serverless::Function\n(    Metadata:\n(?:      .*\n)+)    Properties:\n`)

// writeTemplate writes the template with the zips in place of what sam build
// would make.
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

// withZips names each function's zip in the template's text. Comments and order
// stay as they are.
func withZips(text string) (string, error) {
	seen := 0
	var unknown error
	text = howToBuild.ReplaceAllStringFunc(text, func(head string) string {
		m := howToBuild.FindStringSubmatch(head)
		zip, ok := packages[m[1]]
		if !ok {
			unknown = fmt.Errorf("template.yaml: function %s has no package", m[1])
		}
		seen++
		return strings.Replace(head, m[2], "", 1) + "      CodeUri: " + zip + "\n"
	})
	if unknown == nil && seen != len(packages) {
		unknown = fmt.Errorf("template.yaml: %d functions are built, %d have a package", seen, len(packages))
	}
	return strings.Replace(text, "    CodeUri: .\n", "", 1), unknown
}
