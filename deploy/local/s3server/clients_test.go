package s3server_test

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

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// probe skips the test if a client is not installed or does not start. name may be
// a path.
func probe(t *testing.T, name string, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is not run in short mode", name)
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = cleanEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s does not start: %v: %s", name, err, out)
	}
}

// cleanEnv returns the environment without what configures S3 clients: profiles,
// endpoints, certificates, proxies.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(e), "=")
		for _, prefix := range []string{"AWS_", "BOTO", "RCLONE_", "S3CMD_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		switch name {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR":
			return true
		}
		return false
	})
}

// sh runs a client with the server's credentials and without the user's
// configuration, and returns its output.
func sh(t *testing.T, h *s3test.Server, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	dir := t.TempDir()
	cmd.Env = append(cleanEnv(), "HOME="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"),
		"AWS_ACCESS_KEY_ID="+s3test.AccessKey, "AWS_SECRET_ACCESS_KEY="+s3test.SecretKey, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "ENDPOINT="+h.Signed.URL,
		"RCLONE_CONFIG="+filepath.Join(dir, "rclone.conf"), "RCLONE_CONFIG_LOCAL_TYPE=s3", "RCLONE_CONFIG_LOCAL_PROVIDER=Other",
		"RCLONE_CONFIG_LOCAL_ENDPOINT="+h.Signed.URL, "RCLONE_CONFIG_LOCAL_ACCESS_KEY_ID="+s3test.AccessKey, "RCLONE_CONFIG_LOCAL_SECRET_ACCESS_KEY="+s3test.SecretKey,
		"RCLONE_CONFIG_LOCAL_REGION=us-east-1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tree writes files with unusual names.
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

func sameAs(t *testing.T, h *s3test.Server, prefix string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		if got, _ := h.Get(t, prefix+name); got != body {
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

// TestAWSCLI runs with each aws CLI here: the one on the path, and Debian's, which
// does not know AWS_ENDPOINT_URL.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	const debian = "/usr/bin/aws"
	first, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("aws is not installed")
	}
	clients := []string{first}
	if _, err := os.Stat(debian); err == nil && first != debian {
		clients = append(clients, debian)
	}
	for _, client := range clients {
		t.Run(strings.ReplaceAll(client, "/", "_"), func(t *testing.T) {
			t.Parallel()
			probe(t, client, "--version")
			driveAWSCLI(t, client)
		})
	}
}

func driveAWSCLI(t *testing.T, client string) {
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{})
	run := func(args ...string) string {
		t.Helper()
		return sh(t, h, client, append([]string{"--endpoint-url", h.Signed.URL}, args...)...)
	}
	big := filepath.Join(t.TempDir(), "big")
	content := s3test.Random(3, 50<<20)
	if err := os.WriteFile(big, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Objects.EnsureBucket(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	run("s3", "cp", "--no-progress", "--cache-control", "max-age=9", big, "s3://uploads/big")
	if got, meta := h.Get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-7"`) || *meta.CacheControl != "max-age=9" {
		t.Errorf("50 MB in parts: %d bytes, ETag %s, %s", len(got), *meta.ETag, aws.ToString(meta.CacheControl))
	}
	// A copy in parts, before which the client reads the tags.
	run("s3", "cp", "--no-progress", "s3://uploads/big", "s3://second/copy")
	back := filepath.Join(t.TempDir(), "back")
	run("s3", "cp", "--no-progress", "s3://second/copy", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, content) {
		t.Errorf("copied in the server and read back: %d bytes, %v", len(got), err)
	}
	dir, files := tree(t)
	run("s3", "sync", "--no-progress", dir, "s3://uploads/tree")
	sameAs(t, h, "tree/", files)
	if out := run("s3", "sync", "--no-progress", dir, "s3://uploads/tree"); strings.TrimSpace(out) != "" {
		t.Errorf("a second sync copied: %s", out)
	}
	down := t.TempDir()
	run("s3", "sync", "--no-progress", "s3://uploads/tree", down)
	sameTree(t, down, files)
	if out := run("s3", "ls", "s3://uploads/tree/"); !strings.Contains(out, "PRE deep/") || !strings.Contains(out, "a b+c %41.txt") {
		t.Errorf("ls: %s", out)
	}
	run("s3", "mv", "s3://uploads/tree/a b+c %41.txt", "s3://uploads/moved+ %")
	if got, _ := h.Get(t, "moved+ %"); got != files["a b+c %41.txt"] {
		t.Error("mv changed the object")
	}
	run("s3", "rm", "--recursive", "s3://uploads")
	run("s3", "rb", "--force", "s3://second")
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestRclone(t *testing.T) {
	t.Parallel()
	probe(t, "rclone", "version")
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{})
	dir, files := tree(t)
	sh(t, h, "rclone", "copy", dir, "local:uploads/tree")
	sameAs(t, h, "tree/", files)
	sh(t, h, "rclone", "check", dir, "local:uploads/tree")
	down := t.TempDir()
	sh(t, h, "rclone", "copy", "local:uploads/tree", down)
	sameTree(t, down, files)
	big := t.TempDir()
	content := s3test.Random(4, 12<<20)
	if err := os.WriteFile(filepath.Join(big, "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, h, "rclone", "copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", big, "local:uploads")
	if got, meta := h.Get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-3"`) {
		t.Errorf("in parts: %d bytes, %s", len(got), *meta.ETag)
	}
	sh(t, h, "rclone", "copyto", "local:uploads/big", "local:uploads/big+copy")
	sh(t, h, "rclone", "sync", dir, "local:uploads/tree")
	sh(t, h, "rclone", "purge", "local:uploads")
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestS3cmd(t *testing.T) {
	t.Parallel()
	probe(t, "s3cmd", "--version")
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{})
	config := filepath.Join(t.TempDir(), "s3cfg")
	host := strings.TrimPrefix(h.Signed.URL, "http://")
	text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nsignature_v2 = False\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n",
		s3test.AccessKey, s3test.SecretKey, host, host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		return sh(t, h, "s3cmd", append([]string{"-c", config, "--no-progress"}, args...)...)
	}
	dir, files := tree(t)
	run("put", "--recursive", dir+"/", "s3://uploads/tree/")
	sameAs(t, h, "tree/", files)
	run("put", "--add-header=Cache-Control: max-age=5", filepath.Join(dir, "a b+c %41.txt"), "s3://uploads/one key+")
	if got, meta := h.Get(t, "one key+"); got != files["a b+c %41.txt"] || aws.ToString(meta.CacheControl) != "max-age=5" {
		t.Errorf("put: %d bytes, %s", len(got), aws.ToString(meta.CacheControl))
	}
	big := filepath.Join(t.TempDir(), "big")
	content := s3test.Random(5, 11<<20)
	if err := os.WriteFile(big, content, 0o600); err != nil {
		t.Fatal(err)
	}
	run("put", big, "s3://uploads/big")
	if got, meta := h.Get(t, "big"); got != string(content) || !strings.HasSuffix(*meta.ETag, `-3"`) {
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
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

// TestBoto3 reports each case of the script as a test of its own.
func TestBoto3(t *testing.T) {
	t.Parallel()
	probe(t, "python3", "-c", "import boto3")
	script := filepath.Join("testdata", "boto3_cases.py")
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{NoSync: true})
	cases := strings.Fields(sh(t, h, "python3", script, "-l"))
	if len(cases) == 0 {
		t.Fatal("the script has no cases")
	}
	results := map[string]string{}
	for line := range strings.Lines(sh(t, h, "python3", script)) {
		verdict, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, reason, _ := strings.Cut(name, ": ")
		results[name] = verdict + reason
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			if got := results[name]; got != "PASS" {
				t.Errorf("got %q, want PASS", got)
			}
		})
	}
}

func TestCurlWithPresignedURL(t *testing.T) {
	t.Parallel()
	probe(t, "curl", "--version")
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{})
	file := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	pre := s3.NewPresignClient(h.Client)
	key := "in/a b+ü (1).jpg"
	up, err := pre.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	sh(t, h, "curl", "-sSf", "-T", file, up.URL)
	down, err := pre.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if out := sh(t, h, "curl", "-sSf", down.URL); out != "hello" {
		t.Errorf("got %q", out)
	}
	if out := sh(t, h, "curl", "-s", "-T", file, strings.Replace(up.URL, "in/", "out/", 1)); !strings.Contains(out, "SignatureDoesNotMatch") {
		t.Errorf("another key under the same signature: %s", out)
	}
	if out := sh(t, h, "curl", "-s", h.Signed.URL+"/uploads"); !strings.Contains(out, "AccessDenied") {
		t.Errorf("no signature: %s", out)
	}
	late := s3.NewPresignClient(h.Client, s3.WithPresignExpires(time.Minute), func(o *s3.PresignOptions) {
		o.Presigner = earlier{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), 2 * time.Minute}
	})
	over, err := late.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if out := sh(t, h, "curl", "-s", over.URL); strings.Contains(out, "hello") || !strings.Contains(out, "Request has expired") {
		t.Errorf("an expired URL: %s", out)
	}
}

// earlier signs with an earlier time.
type earlier struct {
	s3.HTTPPresignerV4
	by time.Duration
}

func (e earlier) PresignHTTP(
	ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return e.HTTPPresignerV4.PresignHTTP(ctx, c, r, hash, service, region, at.Add(-e.by), opts...)
}
