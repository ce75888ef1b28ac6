// Package admin is how commands reach a running local stack: the runtime info
// file that names it, the proof that it is the stack, and the client of its
// admin API.
package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sluice/deploy/internal/jsonfile"
)

// RuntimeFile is the name of the runtime info file in the stack's folder.
const RuntimeFile = "runtime.json"

// Prefix begins the paths of the admin API. No bucket can have that name.
const Prefix = "/-/"

// Region is the region in signatures and ARNs of the local stack.
const Region = "us-east-1"

// Runtime is the content of the runtime info file: how to reach the process
// that owns the folder. It holds credentials, so only its owner may read it.
type Runtime struct {
	URL       string    `json:"url"`
	AccessKey string    `json:"accessKey"`
	SecretKey string    `json:"secretKey"`
	Token     string    `json:"token"` // of the admin API
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
}

// Write puts the runtime info file into dir.
func (r Runtime) Write(dir string) error {
	return jsonfile.Write(filepath.Join(dir, RuntimeFile), r)
}

// Remove removes the runtime info file from dir.
func Remove(dir string) { _ = os.Remove(filepath.Join(dir, RuntimeFile)) }

// Find returns the runtime info of the stack that owns dir, and false where no
// such stack runs. A file that a killed process left behind names no stack,
// whatever listens at its address now: a stack proves itself first, and until
// then it receives neither token nor credentials.
func Find(dir string) (Runtime, bool) {
	var r Runtime
	if err := jsonfile.Read(filepath.Join(dir, RuntimeFile), &r); err != nil {
		return r, false // missing or cut off by a kill: the store's lock decides who owns the folder
	}
	return r, r.Proven()
}

// Proven reports whether the server at the URL knows the token. It does not
// show the token, and follows no redirect.
func (r Runtime) Proven() bool {
	nonce := rand.Text()
	transport := NewTransport()
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Timeout: 3 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Get(r.URL + Prefix + "hello?nonce=" + nonce)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	proof, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return err == nil && res.StatusCode == http.StatusOK && r.Token != "" && hmac.Equal(proof, []byte(r.Proof(nonce)))
}

// Proof is the HMAC of the nonce under the token, in hex.
func (r Runtime) Proof(nonce string) string {
	h := hmac.New(sha256.New, []byte(r.Token))
	h.Write([]byte(nonce))
	return hex.EncodeToString(h.Sum(nil))
}
