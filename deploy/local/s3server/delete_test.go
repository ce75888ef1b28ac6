package s3server_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "v")
	status, head, _ := h.Do(t, s3test.Request{Method: "DELETE", Target: "/uploads/k"})
	if status != 204 || head.Get("X-Amz-Delete-Marker") != "" {
		t.Errorf("got %d, delete marker %q", status, head.Get("X-Amz-Delete-Marker"))
	}
	h.Missing(t, "k")
	if status, _, _ := h.Do(t, s3test.Request{Method: "DELETE", Target: "/uploads/k"}); status != 204 {
		t.Errorf("again: got %d", status)
	}
	events := h.Events(t)
	if len(events) != 2 {
		t.Fatalf("%d events, want 2: nothing was removed the second time", len(events))
	}
	if e := events[1]; e.EventName != "ObjectRemoved:Delete" || e.S3.Object.Size != nil || e.S3.Object.ETag != "" || e.S3.Object.Sequencer <= events[0].S3.Object.Sequencer {
		t.Errorf("event %+v", e)
	}
	if n := h.Bodies(t); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestDeleteMany(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	var ids []types.ObjectIdentifier
	for i := range 30 {
		k := fmt.Sprintf("a b+%d", i)
		h.Put(t, k, "v")
		ids = append(ids, types.ObjectIdentifier{Key: &k})
	}
	ids = append(ids, types.ObjectIdentifier{Key: aws.String("none")}, types.ObjectIdentifier{Key: aws.String(strings.Repeat("k", 1025))})
	h.Put(t, "kept", "v")
	ids = append(ids, types.ObjectIdentifier{Key: aws.String("kept"), ETag: aws.String(s3header.Quote(s3test.MD5("x")))})
	out, err := h.Client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: ids}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 31 || len(out.Errors) != 2 || *out.Errors[0].Code != "KeyTooLongError" || *out.Errors[1].Code != "PreconditionFailed" {
		t.Errorf("%d deleted, errors %+v", len(out.Deleted), out.Errors)
	}
	if n := h.Bodies(t); n != 1 {
		t.Errorf("%d bodies are left, want the kept one", n)
	}
	removed := 0
	for _, e := range h.Events(t) {
		if e.EventName == "ObjectRemoved:Delete" {
			removed++
		}
	}
	if removed != 30 {
		t.Errorf("%d events of removals, want 30", removed)
	}
	quiet, err := h.Client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: ids[:2], Quiet: aws.Bool(true)}})
	if err != nil || len(quiet.Deleted) != 0 {
		t.Errorf("quiet: %v %v", quiet, err)
	}
}

func TestDeleteManyRefusals(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "v")
	one := "<Delete><Object><Key>k</Key></Object></Delete>"
	many := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	for name, tc := range map[string]struct {
		body, sum, code string
	}{
		"no checksum":      {one, "", "InvalidRequest"},
		"another checksum": {one, s3test.Sum(t, "md5", "x"), "BadDigest"},
		"cut":              {one[:30], s3test.Sum(t, "md5", one[:30]), "MalformedXML"},
		"none":             {"<Delete/>", s3test.Sum(t, "md5", "<Delete/>"), "MalformedXML"},
		"too many":         {many, s3test.Sum(t, "md5", many), "MalformedXML"},
	} {
		header := map[string]string{}
		if tc.sum != "" {
			header["Content-MD5"] = tc.sum
		}
		if _, _, body := h.Do(t, s3test.Request{Method: "POST", Target: "/uploads?delete", Body: tc.body, Header: header}); !strings.Contains(body, tc.code) {
			t.Errorf("%s: got %s, want %s", name, body, tc.code)
		}
		h.Get(t, "k")
	}
}
