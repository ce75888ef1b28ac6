package s3server

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestStats(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	h.put(t, "a", "12345")
	h.put(t, "b", "123")
	h.put(t, "a", "1")
	h.put(t, "c/d", "7777777")
	if _, err := h.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	h.begin(t, "u")
	st, err := h.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Buckets) != 1 || st.Buckets[0].Objects != 2 || st.Buckets[0].Bytes != 8 || st.Uploads != 1 || st.FreeBytes <= 0 {
		t.Errorf("got %+v", st)
	}
	list, err := h.List(bucket, "", "a", 10)
	if err != nil || len(list) != 1 || list[0].Key != "c/d" || list[0].Size != 7 || list[0].ContentType == "" {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, err := h.List("nobody", "", "", 10); err == nil {
		t.Error("list of no bucket: no error")
	}
}
