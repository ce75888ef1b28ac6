package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// address is how other commands reach the home that owns the folder. It lies in
// the folder, readable by its owner only, for it holds the keys.
type address struct {
	URL       string    `json:"url"`
	AccessKey string    `json:"accessKey"`
	SecretKey string    `json:"secretKey"`
	Token     string    `json:"token"` // of the home's own commands
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
}

const (
	addressFile = "address.json"
	keysFile    = "keys.json"
	tempSuffix  = ".tmp" // before what makes the name of a file that is being written unique
)

// removeTemps removes what a process that was killed was writing. It is for the
// owner of the folder.
func removeTemps(dir string) error {
	var problems []error
	for _, pattern := range []string{addressFile + tempSuffix + "*", keysFile + tempSuffix + "*", filepath.Join("thumbnails", tempThumbnail+"*")} {
		left, err := fs.Glob(os.DirFS(dir), filepath.ToSlash(pattern))
		problems = append(problems, err)
		for _, name := range left {
			problems = append(problems, os.Remove(filepath.Join(dir, filepath.FromSlash(name))))
		}
	}
	return errors.Join(problems...)
}

func newAddress(o homeOptions, at net.Addr) (address, error) {
	a := address{URL: "http://" + at.String(), Token: rand.Text(), PID: os.Getpid(), Started: time.Now().UTC()}
	if host, port, err := net.SplitHostPort(at.String()); err == nil && net.ParseIP(host).IsUnspecified() {
		a.URL = "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	keys, err := readKeys(o)
	a.AccessKey, a.SecretKey = keys.AccessKey, keys.SecretKey
	return a, err
}

type keys struct {
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
}

// readKeys returns the keys of the home, made at its first start.
func readKeys(o homeOptions) (keys, error) {
	if o.AccessKey != "" {
		return keys{o.AccessKey, o.SecretKey}, nil
	}
	path := filepath.Join(o.Dir, keysFile)
	var k keys
	err := readJSON(path, &k)
	if errors.Is(err, fs.ErrNotExist) {
		k = keys{"SLUICE" + rand.Text()[:14], rand.Text() + rand.Text()}
		return k, writeJSON(path, k)
	}
	if err == nil && (k.AccessKey == "" || k.SecretKey == "") {
		err = errors.New("accessKey or secretKey is missing")
	}
	if err != nil {
		return k, fmt.Errorf("keys of the home %s: %w (remove the file to have new ones made)", path, err)
	}
	return k, nil
}

func (a address) write(dir string) error { return writeJSON(filepath.Join(dir, addressFile), a) }

func (a address) remove(dir string) { _ = os.Remove(filepath.Join(dir, addressFile)) }

// findHome returns the address of the running home that owns dir; false where
// none answers. An address that was left behind by a process that died is not
// taken for one, whatever listens there now: only the home can prove itself, and
// until it has, it is told nothing that would let another in.
func findHome(dir string) (address, bool, error) {
	var a address
	err := readJSON(filepath.Join(dir, addressFile), &a)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false, nil
	}
	if err != nil {
		return a, false, nil // half written by a process that died: the file's lock decides who owns it
	}
	return a, a.proven(), nil
}

// proven reports whether who answers at the address knows its token.
func (a address) proven() bool {
	nonce := rand.Text()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Timeout: 3 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Get(a.URL + controlPrefix + "hello?nonce=" + nonce)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return err == nil && res.StatusCode == http.StatusOK && a.Token != "" && hmac.Equal(answer, []byte(a.prove(nonce)))
}

// prove is the answer to a nonce that only who knows the token can give.
func (a address) prove(nonce string) string {
	h := hmac.New(sha256.New, []byte(a.Token))
	h.Write([]byte(nonce))
	return hex.EncodeToString(h.Sum(nil))
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// writeJSON replaces the file in one step, readable by its owner only.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
