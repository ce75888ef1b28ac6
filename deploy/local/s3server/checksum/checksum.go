// Package checksum implements S3's additional checksums: those of an algorithm
// that the client chooses, beside the MD5 in the ETag.
package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"maps"
	"slices"

	"sluice/deploy/local/s3server/s3error"
)

// Sum is the additional checksum of an object or a part. The zero value means
// none. It is stored as JSON.
type Sum struct {
	Algorithm string `json:"algorithm,omitempty"` // lower case, such as crc32
	Value     string `json:"value,omitempty"`     // base64, followed by -N for a composite of N parts
	Type      string `json:"type,omitempty"`      // [FullObject] or [Composite]
}

// The types of a [Sum].
const (
	FullObject = "FULL_OBJECT" // over all bytes of the object
	Composite  = "COMPOSITE"   // over the checksums of its parts
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// algorithms maps names as they appear in headers to hashes.
var algorithms = map[string]func() hash.Hash{
	"crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"crc32c":    func() hash.Hash { return crc32.New(castagnoli) },
	"crc64nvme": func() hash.Hash { return crc64.New(nvme) },
	"md5":       md5.New,
	"sha1":      sha1.New,
	"sha256":    sha256.New,
	"sha512":    sha512.New,
}

// Algorithms returns the names that [New] accepts, sorted.
func Algorithms() []string { return slices.Sorted(maps.Keys(algorithms)) }

// New returns the hash of an algorithm. The name is in lower case.
func New(algorithm string) (hash.Hash, error) {
	f, ok := algorithms[algorithm]
	if !ok {
		return nil, s3error.NotImplemented.WithMessage("The checksum algorithm %q is not implemented.", algorithm)
	}
	return f(), nil
}
