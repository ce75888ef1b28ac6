package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// seed is what the first chunk of a body is signed from.
type seed struct {
	key                    []byte
	time, scope, signature string
}

type seedKey struct{}

func withSeed(ctx context.Context, s seed) context.Context {
	return context.WithValue(ctx, seedKey{}, s)
}

// Chunks returns a verifier for the signed chunks of the body of the request that ctx belongs to. It is false for requests that
// did not come through [Require].
func Chunks(ctx context.Context) (*ChunkVerifier, bool) {
	s, ok := ctx.Value(seedKey{}).(seed)
	return &ChunkVerifier{s}, ok
}

// ChunkVerifier checks the signatures inside one aws-chunked body, in order: each one covers the one before it, so that chunks can
// be neither changed, left out nor moved. It is not safe for concurrent use.
type ChunkVerifier struct{ last seed }

// Chunk tells whether signature signs the next chunk, whose SHA-256 is sum.
func (v *ChunkVerifier) Chunk(signature string, sum [sha256.Size]byte) bool {
	empty := sha256.Sum256(nil)
	return v.next(signature, algorithm+"-PAYLOAD\n"+v.prefix()+hex.EncodeToString(empty[:])+"\n"+hex.EncodeToString(sum[:]))
}

// Trailer tells whether signature signs the trailing headers, each written as "name:value\n". They come after the last, empty
// chunk.
func (v *ChunkVerifier) Trailer(signature string, headers []byte) bool {
	sum := sha256.Sum256(headers)
	return v.next(signature, algorithm+"-TRAILER\n"+v.prefix()+hex.EncodeToString(sum[:]))
}

func (v *ChunkVerifier) prefix() string {
	return v.last.time + "\n" + v.last.scope + "\n" + v.last.signature + "\n"
}

func (v *ChunkVerifier) next(signature, toSign string) bool {
	want := sign(v.last.key, toSign)
	v.last.signature = want
	return equal(want, signature)
}
