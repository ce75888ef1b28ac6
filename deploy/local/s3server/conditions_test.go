package s3server_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestConditionalPut(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	put := func(match, noneMatch, body string) error {
		in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader(body)}
		if match != "" {
			in.IfMatch = &match
		}
		if noneMatch != "" {
			in.IfNoneMatch = &noneMatch
		}
		_, err := h.Client.PutObject(t.Context(), in)
		return err
	}
	s3test.WantCode(t, put(s3header.Quote(s3test.MD5("a")), "", "b"), "NoSuchKey")
	s3test.WantCode(t, put("", "*", "a"), "")
	s3test.WantCode(t, put("", "*", "b"), "PreconditionFailed")
	s3test.WantCode(t, put(s3header.Quote(s3test.MD5("x")), "", "b"), "PreconditionFailed")
	s3test.WantCode(t, put("", s3header.Quote(s3test.MD5("x")), "b"), "NotImplemented")
	if got, _ := h.Get(t, "k"); got != "a" {
		t.Errorf("got %q, want a", got)
	}
	s3test.WantCode(t, put(s3header.Quote(s3test.MD5("a")), "", "b"), "")
	s3test.WantCode(t, put(s3test.MD5("b"), "", "c"), "")
	if got, _ := h.Get(t, "k"); got != "c" {
		t.Errorf("got %q, want c", got)
	}
	if n := len(h.Events(t)); n != 3 {
		t.Errorf("%d events, want 3: refused writes have none", n)
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
}

// Of twenty concurrent creations one succeeds, and its body is stored.
func TestRacingConditionalPuts(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	var mu sync.Mutex
	won, codes := "", map[string]int{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 20 {
		body := strings.Repeat(string(rune('a'+i)), 10_000)
		wg.Go(func() {
			<-start
			_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), IfNoneMatch: aws.String("*"), Body: strings.NewReader(body),
			})
			mu.Lock()
			defer mu.Unlock()
			codes[s3test.Code(err)]++
			if err == nil {
				won = body
			}
		})
	}
	close(start)
	wg.Wait()
	if codes[""] != 1 || codes["PreconditionFailed"] != 19 {
		t.Errorf("outcomes %v, want one success and 19 PreconditionFailed", codes)
	}
	if got, _ := h.Get(t, "k"); got != won {
		t.Error("the object is not the winner's")
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
	if n := len(h.Events(t)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// If-Match is evaluated in the transaction: of twenty concurrent updates of one
// version one succeeds.
func TestRacingConditionalUpdates(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "first")
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = h.Client.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), IfMatch: aws.String(s3header.Quote(s3test.MD5("first"))), Body: strings.NewReader("v" + strconv.Itoa(i)),
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			s3test.WantCode(t, err, "PreconditionFailed")
		}
	}
	if won != 1 {
		t.Errorf("%d updates of one version succeeded, want 1", won)
	}
}

func TestConditionalDelete(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "a")
	del := func(match string) error {
		_, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), IfMatch: &match})
		return err
	}
	s3test.WantCode(t, del(s3header.Quote(s3test.MD5("b"))), "PreconditionFailed")
	h.Get(t, "k")
	s3test.WantCode(t, del(s3header.Quote(s3test.MD5("a"))), "")
	h.Missing(t, "k")
}
