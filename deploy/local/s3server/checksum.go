package s3server

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
)

// checksum is what S3 calls an additional checksum: one of an algorithm chosen by the client.
type checksum struct {
	Algorithm string `json:"algorithm,omitempty"` // lower case: crc32
	Value     string `json:"value,omitempty"`     // base64, with "-N" behind it if it is composite
	Type      string `json:"type,omitempty"`      // FULL_OBJECT or COMPOSITE
}

const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// setHeader tells the client the checksum.
func (c checksum) setHeader(h http.Header) {
	if c.Algorithm == "" {
		return
	}
	h.Set("X-Amz-Checksum-"+c.Algorithm, c.Value)
	h.Set("X-Amz-Checksum-Type", c.Type)
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// checksums are the algorithms we know, by their names in headers.
var checksums = map[string]func() hash.Hash{
	"crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"crc32c":    func() hash.Hash { return crc32.New(castagnoli) },
	"crc64nvme": func() hash.Hash { return crc64.New(nvme) },
	"md5":       md5.New,
	"sha1":      sha1.New,
	"sha256":    sha256.New,
	"sha512":    sha512.New,
}

// newChecksum returns the hash of an algorithm.
func newChecksum(algorithm string) (hash.Hash, error) {
	f, ok := checksums[algorithm]
	if !ok {
		return nil, errNotImplemented.because("The checksum algorithm %q is not implemented.", algorithm)
	}
	return f(), nil
}

// newSums returns the hash that the checksum of an upload's object is made with: one over all bytes, or one over the checksums of
// its parts.
func newSums(u *upload) (whole, ofParts hash.Hash, err error) {
	if u.Algorithm == "" {
		return nil, nil, nil
	}
	h, err := newChecksum(u.Algorithm)
	if u.Type == composite {
		return nil, h, err
	}
	return h, nil, err
}

// parseSum takes a checksum's value from a header.
func parseSum(header, value string, size int) ([]byte, error) {
	sum, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(sum) != size {
		return nil, errInvalidRequest.because("Value for %s header is invalid.", header)
	}
	return sum, nil
}

// headerChecksum finds the one x-amz-checksum-ALGORITHM header.
func headerChecksum(h http.Header) (algorithm, value string, err error) {
	for name, values := range h {
		rest, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-checksum-")
		if !ok || rest == "mode" || rest == "type" || rest == "algorithm" {
			continue
		}
		if algorithm != "" || len(values) != 1 {
			return "", "", errInvalidRequest.because("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		algorithm, value = rest, values[0]
	}
	return algorithm, value, nil
}
