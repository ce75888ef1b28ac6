package s3server

import (
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestConditionalPut(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	put := func(match, noneMatch, body string) error {
		in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader(body)}
		if match != "" {
			in.IfMatch = &match
		}
		if noneMatch != "" {
			in.IfNoneMatch = &noneMatch
		}
		_, err := h.client.PutObject(t.Context(), in)
		return err
	}
	wantCode(t, put(quote(md5hex("a")), "", "b"), "NoSuchKey")
	wantCode(t, put("", "*", "a"), "")
	wantCode(t, put("", "*", "b"), "PreconditionFailed")
	wantCode(t, put(quote(md5hex("x")), "", "b"), "PreconditionFailed")
	wantCode(t, put("", quote(md5hex("x")), "b"), "NotImplemented")
	if got, _ := h.get(t, "k"); got != "a" {
		t.Errorf("got %q, want a", got)
	}
	wantCode(t, put(quote(md5hex("a")), "", "b"), "")
	wantCode(t, put(md5hex("b"), "", "c"), "")
	if got, _ := h.get(t, "k"); got != "c" {
		t.Errorf("got %q, want c", got)
	}
	if n := len(h.events(t)); n != 3 {
		t.Errorf("%d notices, want 3: refused writes have none", n)
	}
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
}

// Of twenty racing creations one wins, and its body is the one that is there.
func TestRacingConditionalPuts(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	var mu sync.Mutex
	won, codes := "", map[string]int{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 20 {
		body := strings.Repeat(string(rune('a'+i)), 10_000)
		wg.Go(func() {
			<-start
			_, err := h.client.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), IfNoneMatch: aws.String("*"), Body: strings.NewReader(body),
			})
			mu.Lock()
			defer mu.Unlock()
			codes[code(err)]++
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
	if got, _ := h.get(t, "k"); got != won {
		t.Error("the object is not the winner's")
	}
	if n := h.files(t); n != 1 {
		t.Errorf("%d bodies on the disk, want 1", n)
	}
	if n := len(h.events(t)); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
}

// If-Match is decided in the transaction too: of twenty racing updates of one version one wins.
func TestRacingConditionalUpdates(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	h.put(t, "k", "first")
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = h.client.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), IfMatch: aws.String(quote(md5hex("first"))), Body: strings.NewReader("v" + itoa(i)),
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantCode(t, err, "PreconditionFailed")
		}
	}
	if won != 1 {
		t.Errorf("%d updates of one version succeeded, want 1", won)
	}
}

func TestConditionalDelete(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	h.put(t, "k", "a")
	del := func(match string) error {
		_, err := h.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), IfMatch: &match})
		return err
	}
	wantCode(t, del(quote(md5hex("b"))), "PreconditionFailed")
	h.get(t, "k")
	wantCode(t, del(quote(md5hex("a"))), "")
	h.missing(t, "k")
}
