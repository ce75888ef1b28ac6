package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/workers/schema"
)

// TestPrintedLinesFeedTheHome runs the lines that a home prints at its start, as
// they are, in a shell of their own, and follows what each put in.
func TestPrintedLinesFeedTheHome(t *testing.T) {
	if testing.Short() {
		t.Skip("runs clients that are slow to start")
	}
	t.Parallel()
	dir := t.TempDir()
	p, h := serving(t, "-data", dir)
	p.await(t, "Ctrl-C stops it")
	lines := strings.Split(p.stdout.String(), "\n")
	printed := func(begins string) string {
		t.Helper()
		for _, line := range lines {
			if i := strings.Index(line, begins); i >= 0 {
				return line[i:]
			}
		}
		t.Fatalf("no line with %q in\n%s", begins, p.stdout.String())
		return ""
	}
	export := printed("export AWS_ENDPOINT_URL=")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	inReadme := strings.NewReplacer(h.URL, "http://"+defaultAddr, strings.TrimPrefix(h.URL, "http://"), defaultAddr, " -data "+dir, "")
	for _, tt := range []struct{ tool, line, key string }{
		{"aws", printed("aws --endpoint-url " + h.URL + " s3 cp"), "photo.jpg"},
		{"aws", printed("aws --endpoint-url " + h.URL + " sqs send-message"), ""},
		{"rclone", printed("rclone copy"), "photo.jpg"},
		{"s3cmd", printed("s3cmd --access_key"), "photo.jpg"},
		{"curl", printed("curl -T"), "photo.jpg"},
		{"go", printed("go run ./deploy/local -data " + dir + " photo.jpg"), "photo.jpg"},
	} {
		t.Run(tt.tool+" "+strings.Fields(strings.TrimPrefix(tt.line, tt.tool))[0], func(t *testing.T) {
			if _, err := exec.LookPath(tt.tool); err != nil {
				t.Skipf("%s is not installed", tt.tool)
			}
			if line := inReadme.Replace(tt.line); tt.tool != "go" && !strings.Contains(string(readme), line) {
				t.Errorf("README.md has another line than %s", line)
			}
			start, err := h.changes(t.Context(), "now")
			if err != nil {
				t.Fatal(err)
			}
			feedByShell(t, export, tt.line)
			want := schema.KeyText(schema.UserKey("ada@example.com")) + " active"
			if tt.key != "" {
				want = schema.KeyText(schema.ImageKey(bucketUploads, tt.key)) + " ready"
			}
			for after, deadline := start.Last, time.Now().Add(time.Minute); ; {
				page, err := h.changes(t.Context(), after)
				if err != nil {
					t.Fatal(err)
				}
				after = page.Last
				if slices.ContainsFunc(page.Changes, func(c seenChange) bool { return fmt.Sprint(c.Key, " ", c.New["status"]) == want }) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: nothing came of it, want %q", tt.line, want)
				}
			}
		})
	}
}

// feedByShell runs a line in a folder with a photo of its own and a folder
// "photos". Nothing of the user's own settings is seen.
func feedByShell(t *testing.T, export, line string) string {
	t.Helper()
	dir := t.TempDir()
	photo, err := os.ReadFile(filepath.Join(goodPictures, "orientation-1-upright.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	photo = append(photo, dir...) // another one each time: sync and copy look before they send
	if err := os.Mkdir(filepath.Join(dir, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photo.jpg", "photos/photo.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), photo, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// "go run ./deploy/local" is meant for the checkout: from here, the test
	// binary is the same program.
	line = strings.ReplaceAll(line, "go run ./deploy/local", childMain+"=1 "+os.Args[0])
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.TrimSpace(export)+"\n"+line)
	cmd.Dir = dir
	for _, e := range os.Environ() {
		// A bundle of the machine's own, for a proxy, say, keeps rclone from starting.
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "RCLONE_") && !strings.HasPrefix(e, "HOME=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+dir, "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	if home, err := os.UserHomeDir(); err == nil && os.Getenv("PYENV_ROOT") == "" {
		cmd.Env = append(cmd.Env, "PYENV_ROOT="+filepath.Join(home, ".pyenv"))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// Fifty megabytes go up in parts by the aws CLI and are the same in the home.
func TestAWSCLICopiesFiftyMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("aws is not installed")
	}
	p, h := serving(t, "-data", t.TempDir())
	p.await(t, "Ctrl-C stops it")
	export := ""
	for line := range strings.Lines(p.stdout.String()) {
		if strings.Contains(line, "export AWS_") {
			export = line
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, want), rand.NewChaCha8([32]byte{5}), 50<<20); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	feedByShell(t, export, "aws s3 cp --no-progress "+file.Name()+" s3://thumbnails/big.bin")
	out, err := h.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketThumbnails), Key: aws.String("big.bin")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	got := sha256.New()
	if _, err := io.Copy(got, out.Body); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("object: %v, or other bytes than were sent", err)
	}
	if etag := aws.ToString(out.ETag); !strings.Contains(etag, "-") {
		t.Errorf("ETag: got %s, want one of parts", etag)
	}
}
