package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/workers/schema"
)

// TestPrintedLinesWork runs each line that a stack prints at its start, as it is,
// in a shell, and follows the upload or message.
func TestPrintedLinesWork(t *testing.T) {
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
	var documented string
	for _, name := range []string{"../../README.md", "README.md"} {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		documented += string(b)
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
			needClient(t, tt.tool)
			if line := inReadme.Replace(tt.line); tt.tool != "go" && !strings.Contains(documented, line) {
				t.Errorf("no README has the line %s", line)
			}
			start, err := h.Changes(t.Context(), "now")
			if err != nil {
				t.Fatal(err)
			}
			feedByShell(t, export, tt.line)
			want := schema.KeyText(schema.UserKey("ada@example.com")) + " active"
			if tt.key != "" {
				want = schema.KeyText(schema.ImageKey(stack.BucketUploads, tt.key)) + " ready"
			}
			for after, deadline := start.Last, time.Now().Add(time.Minute); ; {
				page, err := h.Changes(t.Context(), after)
				if err != nil {
					t.Fatal(err)
				}
				after = page.Last
				if slices.ContainsFunc(page.Changes, func(c admin.Change) bool { return fmt.Sprint(c.Key, " ", c.New["status"]) == want }) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: no change to %q", tt.line, want)
				}
			}
		})
	}
}

// needClient skips the test where a client is missing or does not start.
func needClient(t *testing.T, name string) {
	t.Helper()
	version := map[string]string{"go": "version"}[name]
	if version == "" {
		version = "--version"
	}
	cmd := exec.CommandContext(t.Context(), name, version)
	cmd.Env = clientEnviron(t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s does not start: %v %s", name, err, bytes.TrimSpace(out))
	}
}

// clientEnviron is the environment of a client, without the user's settings for
// AWS and rclone: a CA bundle, for example, keeps rclone from starting.
func clientEnviron(home string) []string {
	var environ []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "RCLONE_") && !strings.HasPrefix(e, "HOME=") {
			environ = append(environ, e)
		}
	}
	environ = append(environ, "HOME="+home, "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	if user, err := os.UserHomeDir(); err == nil && os.Getenv("PYENV_ROOT") == "" {
		environ = append(environ, "PYENV_ROOT="+filepath.Join(user, ".pyenv"))
	}
	return environ
}

// feedByShell runs a line in a folder with a photo and a folder "photos".
func feedByShell(t *testing.T, export, line string) string {
	t.Helper()
	dir := t.TempDir()
	photo, err := os.ReadFile(filepath.Join(goodPictures, "orientation-1-upright.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	photo = append(photo, dir...) // different each time: sync and copy compare before they send
	if err := os.Mkdir(filepath.Join(dir, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photo.jpg", "photos/photo.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), photo, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The test binary runs main in the place of go run ./deploy/local.
	line = strings.ReplaceAll(line, "go run ./deploy/local", childMain+"=1 "+os.Args[0])
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.TrimSpace(export)+"\n"+line)
	cmd.Dir = dir
	cmd.Env = clientEnviron(dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestAWSCLIUploadsInParts: an object of 50 MB that the aws CLI uploads in parts
// has the same bytes.
func TestAWSCLIUploadsInParts(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	needClient(t, "aws")
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
	feedByShell(t, export, `aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --no-progress `+file.Name()+" s3://thumbnails/big.bin")
	out, err := h.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(stack.BucketThumbnails), Key: aws.String("big.bin")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	got := sha256.New()
	if _, err := io.Copy(got, out.Body); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("object: got %v, or other bytes than were sent", err)
	}
	if etag := aws.ToString(out.ETag); !strings.Contains(etag, "-") {
		t.Errorf("ETag: got %s, want that of an upload in parts", etag)
	}
}
