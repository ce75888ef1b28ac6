package s3server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/local/store"
)

// tool skips the test if a client is not installed, or does not work here.
func tool(t *testing.T, name string, probe ...string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is not driven in short mode", name)
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.CommandContext(t.Context(), name, probe...).CombinedOutput(); err != nil {
		t.Skipf("%s does not work here: %v %s", name, err, out)
	}
}

// sh runs a client with the home's credentials and nothing of the user's configuration.
func (h *home) sh(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	dir := t.TempDir()
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "RCLONE_") })
	cmd.Env = append(cmd.Env, "HOME="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"),
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+h.locked.URL, "AWS_EC2_METADATA_DISABLED=true", "no_proxy=127.0.0.1", "NO_PROXY=127.0.0.1",
		"RCLONE_CONFIG="+filepath.Join(dir, "rclone.conf"), "RCLONE_CONFIG_HOME_TYPE=s3", "RCLONE_CONFIG_HOME_PROVIDER=Other",
		"RCLONE_CONFIG_HOME_ENDPOINT="+h.locked.URL, "RCLONE_CONFIG_HOME_ACCESS_KEY_ID="+accessKey, "RCLONE_CONFIG_HOME_SECRET_ACCESS_KEY="+secretKey,
		"RCLONE_CONFIG_HOME_REGION=us-east-1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tree writes files whose names are odd.
func tree(t *testing.T) (dir string, files map[string]string) {
	t.Helper()
	dir, files = t.TempDir(), map[string]string{}
	for i, name := range []string{"a.txt", "a b+c %41.txt", "deep/er/é.txt", "empty", "deep/#?&=.txt"} {
		body := strings.Repeat(name+"\n", i*1000)
		if name == "empty" {
			body = ""
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		files[name] = body
	}
	return dir, files
}

func (h *home) sameAs(t *testing.T, prefix string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		if got, _ := h.get(t, prefix+name); got != body {
			t.Errorf("%s: %d bytes, want %d", name, len(got), len(body))
		}
	}
}

func sameTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || string(got) != body {
			t.Errorf("%s: %d bytes, want %d: %v", name, len(got), len(body), err)
		}
	}
}

func TestAWSCLI(t *testing.T) {
	t.Parallel()
	tool(t, "aws", "--version")
	h := newHome(t, t.TempDir(), Options{}, store.Options{})
	big := filepath.Join(t.TempDir(), "big")
	content := random(3, 50<<20)
	if err := os.WriteFile(big, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.CreateBucket(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	h.sh(t, "aws", "s3", "cp", "--no-progress", "--cache-control", "max-age=9", big, "s3://uploads/big")
	if got, meta := h.get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-7"`) || *meta.CacheControl != "max-age=9" {
		t.Errorf("50 MB in parts: %d bytes, ETag %s, %s", len(got), *meta.ETag, aws.ToString(meta.CacheControl))
	}
	// Server-side, in parts: the client asks for the tags first.
	h.sh(t, "aws", "s3", "cp", "--no-progress", "s3://uploads/big", "s3://second/copy")
	back := filepath.Join(t.TempDir(), "back")
	h.sh(t, "aws", "s3", "cp", "--no-progress", "s3://second/copy", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, content) {
		t.Errorf("copied in the server and read back: %d bytes, %v", len(got), err)
	}
	dir, files := tree(t)
	h.sh(t, "aws", "s3", "sync", "--no-progress", dir, "s3://uploads/tree")
	h.sameAs(t, "tree/", files)
	if out := h.sh(t, "aws", "s3", "sync", "--no-progress", dir, "s3://uploads/tree"); strings.TrimSpace(out) != "" {
		t.Errorf("a second sync copied: %s", out)
	}
	down := t.TempDir()
	h.sh(t, "aws", "s3", "sync", "--no-progress", "s3://uploads/tree", down)
	sameTree(t, down, files)
	if out := h.sh(t, "aws", "s3", "ls", "s3://uploads/tree/"); !strings.Contains(out, "PRE deep/") || !strings.Contains(out, "a b+c %41.txt") {
		t.Errorf("ls: %s", out)
	}
	h.sh(t, "aws", "s3", "mv", "s3://uploads/tree/a b+c %41.txt", "s3://uploads/moved+ %")
	if got, _ := h.get(t, "moved+ %"); got != files["a b+c %41.txt"] {
		t.Error("mv changed the object")
	}
	h.sh(t, "aws", "s3", "rm", "--recursive", "s3://uploads")
	h.sh(t, "aws", "s3", "rb", "--force", "s3://second")
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestRclone(t *testing.T) {
	t.Parallel()
	tool(t, "rclone", "version")
	h := newHome(t, t.TempDir(), Options{}, store.Options{})
	dir, files := tree(t)
	h.sh(t, "rclone", "copy", dir, "home:uploads/tree")
	h.sameAs(t, "tree/", files)
	h.sh(t, "rclone", "check", dir, "home:uploads/tree")
	down := t.TempDir()
	h.sh(t, "rclone", "copy", "home:uploads/tree", down)
	sameTree(t, down, files)
	big := t.TempDir()
	content := random(4, 12<<20)
	if err := os.WriteFile(filepath.Join(big, "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	h.sh(t, "rclone", "copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", big, "home:uploads")
	if got, meta := h.get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-3"`) {
		t.Errorf("in parts: %d bytes, %s", len(got), *meta.ETag)
	}
	h.sh(t, "rclone", "copyto", "home:uploads/big", "home:uploads/big+copy")
	h.sh(t, "rclone", "sync", dir, "home:uploads/tree")
	h.sh(t, "rclone", "purge", "home:uploads")
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestS3cmd(t *testing.T) {
	t.Parallel()
	tool(t, "s3cmd", "--version")
	h := newHome(t, t.TempDir(), Options{}, store.Options{})
	config := filepath.Join(t.TempDir(), "s3cfg")
	host := strings.TrimPrefix(h.locked.URL, "http://")
	text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nsignature_v2 = False\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n",
		accessKey, secretKey, host, host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		return h.sh(t, "s3cmd", append([]string{"-c", config, "--no-progress"}, args...)...)
	}
	dir, files := tree(t)
	run("put", "--recursive", dir+"/", "s3://uploads/tree/")
	h.sameAs(t, "tree/", files)
	run("put", "--add-header=Cache-Control: max-age=5", filepath.Join(dir, "a b+c %41.txt"), "s3://uploads/one key+")
	if got, meta := h.get(t, "one key+"); got != files["a b+c %41.txt"] || aws.ToString(meta.CacheControl) != "max-age=5" {
		t.Errorf("put: %d bytes, %s", len(got), aws.ToString(meta.CacheControl))
	}
	big := filepath.Join(t.TempDir(), "big")
	content := random(5, 11<<20)
	if err := os.WriteFile(big, content, 0o600); err != nil {
		t.Fatal(err)
	}
	run("put", big, "s3://uploads/big")
	if got, meta := h.get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-3"`) {
		t.Errorf("in parts: %d bytes, %s", len(got), *meta.ETag)
	}
	back := filepath.Join(t.TempDir(), "back")
	run("get", "s3://uploads/one key+", back)
	if got, err := os.ReadFile(back); err != nil || string(got) != files["a b+c %41.txt"] {
		t.Errorf("get: %d bytes, %v", len(got), err)
	}
	run("cp", "s3://uploads/one key+", "s3://uploads/other key+")
	if out := run("ls", "s3://uploads/tree/"); !strings.Contains(out, "DIR") {
		t.Errorf("ls: %s", out)
	}
	run("del", "--recursive", "--force", "s3://uploads/")
	if n := h.files(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestCurlWithPresignedURL(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "--version")
	h := newHome(t, t.TempDir(), Options{}, store.Options{})
	file := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	pre := s3.NewPresignClient(h.client)
	key := "in/a b+ü (1).jpg"
	up, err := pre.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	h.sh(t, "curl", "-sSf", "-T", file, up.URL)
	down, err := pre.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if out := h.sh(t, "curl", "-sSf", down.URL); out != "hello" {
		t.Errorf("got %q", out)
	}
	if out := h.sh(t, "curl", "-s", "-T", file, strings.Replace(up.URL, "in/", "out/", 1)); !strings.Contains(out, "SignatureDoesNotMatch") {
		t.Errorf("another key under the same signature: %s", out)
	}
	if out := h.sh(t, "curl", "-s", h.locked.URL+"/uploads"); !strings.Contains(out, "AccessDenied") {
		t.Errorf("no signature: %s", out)
	}
	late := s3.NewPresignClient(h.client, s3.WithPresignExpires(time.Minute), func(o *s3.PresignOptions) {
		o.Presigner = earlier{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), 2 * time.Minute}
	})
	over, err := late.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if out := h.sh(t, "curl", "-s", over.URL); strings.Contains(out, "hello") || !strings.Contains(out, "Request has expired") {
		t.Errorf("an expired URL: %s", out)
	}
}

// earlier signs as if it were earlier.
type earlier struct {
	s3.HTTPPresignerV4
	by time.Duration
}

func (e earlier) PresignHTTP(
	ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return e.HTTPPresignerV4.PresignHTTP(ctx, c, r, hash, service, region, at.Add(-e.by), opts...)
}
