package objectstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// A client that times out during the assembly of the parts repeats its request. The
// assembly continues and runs once; a second and a third request get its result.
func TestCompletionContinuesWithoutItsClient(t *testing.T) {
	t.Parallel()
	assembling, waits, goOn := make(chan struct{}, 9), make(chan struct{}, 9), make(chan struct{})
	var mu sync.Mutex
	armed, assembled := false, 0
	h := s3test.New(t, t.TempDir(), withStep(func(point string) {
		mu.Lock()
		on := armed
		if on && point == "body written" {
			assembled++
		}
		mu.Unlock()
		switch {
		case on && point == "body written":
			assembling <- struct{}{}
			<-goOn
		case on && point == "completion waits":
			waits <- struct{}{}
		}
	}), store.Options{NoSync: true})
	u := h.Begin(t, "k")
	h.Part(t, u, 1, "whole")
	mu.Lock()
	armed = true
	mu.Unlock()

	complete := func(ctx context.Context) (*s3.CompleteMultipartUploadOutput, error) {
		return h.Client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.Parts},
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := complete(ctx)
		first <- err
	}()
	<-assembling
	cancel()
	if err := <-first; err == nil {
		t.Error("the first request succeeded, want it canceled")
	}
	type result struct {
		out *s3.CompleteMultipartUploadOutput
		err error
	}
	second := make(chan result, 1)
	go func() {
		out, err := complete(t.Context())
		second <- result{out, err}
	}()
	<-waits
	close(goOn)
	got := <-second
	if got.err != nil {
		t.Fatalf("second request: %v", got.err)
	}
	third, err := complete(t.Context())
	if err != nil || *third.ETag != *got.out.ETag {
		t.Errorf("third request: got %v, want ETag %s again", err, *got.out.ETag)
	}
	if body, _ := h.Get(t, "k"); body != "whole" {
		t.Errorf("object: got %q", body)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := len(h.Events(t)); assembled != 1 || n != 1 {
		t.Errorf("assembled %d times with %d events, want once", assembled, n)
	}
}
