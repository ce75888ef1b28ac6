package s3test

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Upload is a multipart upload in [Bucket].
type Upload struct {
	Key, ID string
	Parts   []types.CompletedPart
}

// Begin starts a multipart upload.
func (s *Server) Begin(t *testing.T, key string, mods ...func(*s3.CreateMultipartUploadInput)) *Upload {
	t.Helper()
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(Bucket), Key: &key}
	for _, m := range mods {
		m(in)
	}
	out, err := s.Client.CreateMultipartUpload(t.Context(), in)
	if err != nil {
		t.Fatalf("begin %q: %v", key, err)
	}
	return &Upload{Key: key, ID: *out.UploadId}
}

// Part uploads a part and adds it to u.Parts.
func (s *Server) Part(t *testing.T, u *Upload, number int32, body string) {
	t.Helper()
	out, err := s.Client.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: aws.String(Bucket), Key: &u.Key, UploadId: &u.ID, PartNumber: &number, Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatalf("part %d of %q: %v", number, u.Key, err)
	}
	u.Parts = slices.DeleteFunc(u.Parts, func(p types.CompletedPart) bool { return *p.PartNumber == number })
	u.Parts = append(u.Parts, types.CompletedPart{
		PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
	})
	slices.SortFunc(u.Parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
}

// Complete completes an upload with u.Parts.
func (s *Server) Complete(t *testing.T, u *Upload, mods ...func(*s3.CompleteMultipartUploadInput)) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	in := &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(Bucket), Key: &u.Key, UploadId: &u.ID, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.Parts},
	}
	for _, m := range mods {
		m(in)
	}
	return s.Client.CompleteMultipartUpload(t.Context(), in)
}

// MultipartETag returns the quoted ETag of an object of these parts: the MD5 of
// their MD5s, and their number.
func MultipartETag(parts ...string) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum([]byte(p))
		h.Write(sum[:])
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts)))
}
