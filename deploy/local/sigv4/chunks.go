package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// seed holds the inputs of the first chunk's signature: the signing key, the
// timestamp and scope, and the signature of the request's headers.
type seed struct {
	key                         []byte
	timestamp, scope, signature string
}

type seedKey struct{}

func withSeed(ctx context.Context, s seed) context.Context {
	return context.WithValue(ctx, seedKey{}, s)
}

// Chunks returns a verifier for the signed chunks of a request's body. ctx is
// the request's context. Chunks returns false for a request that [Require] has
// not verified.
func Chunks(ctx context.Context) (*ChunkVerifier, bool) {
	s, ok := ctx.Value(seedKey{}).(seed)
	return &ChunkVerifier{s}, ok
}

// ChunkVerifier verifies the signatures inside one aws-chunked body, in order.
// Each signature covers the one before it, so a chunk cannot be changed, left
// out or moved. A ChunkVerifier is not safe for concurrent use.
type ChunkVerifier struct{ last seed }

// Chunk reports whether signature signs the next chunk, whose SHA-256 is sum.
func (v *ChunkVerifier) Chunk(signature string, sum [sha256.Size]byte) bool {
	empty := sha256.Sum256(nil)
	return v.next(signature, algorithm+"-PAYLOAD\n"+v.prefix()+hex.EncodeToString(empty[:])+"\n"+hex.EncodeToString(sum[:]))
}

// Trailer reports whether signature signs the trailing headers, each written as
// "name:value\n". Trailing headers follow the last, empty chunk.
func (v *ChunkVerifier) Trailer(signature string, headers []byte) bool {
	sum := sha256.Sum256(headers)
	return v.next(signature, algorithm+"-TRAILER\n"+v.prefix()+hex.EncodeToString(sum[:]))
}

func (v *ChunkVerifier) prefix() string {
	return v.last.timestamp + "\n" + v.last.scope + "\n" + v.last.signature + "\n"
}

func (v *ChunkVerifier) next(signature, toSign string) bool {
	want := sign(v.last.key, toSign)
	v.last.signature = want
	return equal(want, signature)
}
