package s3server_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var listKeys = []string{
	"a", "a/", "a/1", "a/2/x", "a/2/y", "a0", "b", "b/1", "b//2", "c\x01d", "c+d", "c d", "é/1", "é/2", "\U0001F4F7", "//x", "/y", "z/\uffff", "z/~",
}

// wantList applies S3's rules one key at a time.
func wantList(prefix, delimiter, after string) (keys, prefixes []string) {
	sorted := slices.Clone(listKeys)
	slices.Sort(sorted)
	for _, k := range sorted {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if p := objectstore.CommonPrefix(k, prefix, delimiter); p != "" {
			if p != after && !slices.Contains(prefixes, p) {
				prefixes = append(prefixes, p)
			}
			continue
		}
		keys = append(keys, k)
	}
	return keys, prefixes
}

func unescape(t *testing.T, s *string) string {
	t.Helper()
	out, err := url.QueryUnescape(aws.ToString(s))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestList(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	for _, k := range listKeys {
		h.Put(t, k, k)
	}
	for _, prefix := range []string{"", "a", "a/", "a/2", "b/", "c", "é", "zz", "/", "//"} {
		for _, delimiter := range []string{"", "/", "2", "//"} {
			for _, after := range []string{"", "a", "a/", "a/2/", "a/2/x", "b", "zzz", "\U0001F4F7"} {
				for _, size := range []int32{1, 2, 1000} {
					name := fmt.Sprintf("prefix %q delimiter %q after %q by %d", prefix, delimiter, after, size)
					wantKeys, wantPrefixes := wantList(prefix, delimiter, after)
					keys, prefixes := listV2(t, h, prefix, delimiter, after, size)
					if !slices.Equal(keys, wantKeys) || !slices.Equal(prefixes, wantPrefixes) {
						t.Errorf("v2 %s: got %q %q, want %q %q", name, keys, prefixes, wantKeys, wantPrefixes)
					}
					keys, prefixes = listV1(t, h, prefix, delimiter, after, size)
					if !slices.Equal(keys, wantKeys) || !slices.Equal(prefixes, wantPrefixes) {
						t.Errorf("v1 %s: got %q %q, want %q %q", name, keys, prefixes, wantKeys, wantPrefixes)
					}
				}
			}
		}
	}
}

func listV2(t *testing.T, h *s3test.Server, prefix, delimiter, after string, size int32) (keys, prefixes []string) {
	t.Helper()
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(bucket), Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &size, EncodingType: types.EncodingTypeUrl,
	}
	for range 100 {
		out, err := h.Client.ListObjectsV2(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(out.Contents) + len(out.CommonPrefixes); int32(n) != *out.KeyCount || *out.KeyCount > size {
			t.Errorf("%d items, KeyCount %d, asked for %d", n, *out.KeyCount, size)
		}
		for _, o := range out.Contents {
			k := unescape(t, o.Key)
			if *o.ETag != s3header.Quote(s3test.MD5(k)) || *o.Size != int64(len(k)) || o.Owner != nil || o.LastModified.IsZero() {
				t.Errorf("entry of %q: %+v", k, o)
			}
			keys = append(keys, k)
		}
		for _, p := range out.CommonPrefixes {
			prefixes = append(prefixes, unescape(t, p.Prefix))
		}
		if !*out.IsTruncated {
			return keys, prefixes
		}
		in.ContinuationToken = out.NextContinuationToken
	}
	t.Fatal("the list does not end")
	return nil, nil
}

func listV1(t *testing.T, h *s3test.Server, prefix, delimiter, after string, size int32) (keys, prefixes []string) {
	t.Helper()
	in := &s3.ListObjectsInput{
		Bucket: aws.String(bucket), Prefix: &prefix, Delimiter: &delimiter, Marker: &after, MaxKeys: &size, EncodingType: types.EncodingTypeUrl,
	}
	for range 100 {
		out, err := h.Client.ListObjects(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			keys = append(keys, unescape(t, o.Key))
		}
		for _, p := range out.CommonPrefixes {
			prefixes = append(prefixes, unescape(t, p.Prefix))
		}
		if !*out.IsTruncated {
			return keys, prefixes
		}
		next := unescape(t, out.NextMarker)
		in.Marker = &next
	}
	t.Fatal("the list does not end")
	return nil, nil
}

func TestListDetails(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k\x01", "v")
	// A key without a form in XML is an error for the reader, never another key.
	if _, err := h.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); err == nil {
		t.Error("a control character was read as something else")
	}
	for target, want := range map[string]string{
		"?max-keys=0": "<IsTruncated>false</IsTruncated>", "?list-type=2&encoding-type=url": "<EncodingType>url</EncodingType>",
		"?list-type=2&fetch-owner=true": "<Owner>", "?": "<Owner>", "?list-type=2": "<KeyCount>1</KeyCount>",
		"?max-keys=-1": "InvalidArgument", "?max-keys=x": "InvalidArgument", "?encoding-type=xml": "InvalidArgument",
		"?list-type=2&continuation-token=": "InvalidArgument", "?list-type=2&continuation-token=%21": "InvalidArgument",
		"?prefix=zz&list-type=2": "<KeyCount>0</KeyCount>", "?max-keys=99999": "<MaxKeys>1000</MaxKeys>",
	} {
		if _, head, body := h.Do(t, s3test.Request{Method: "GET", Target: "/uploads" + target}); !strings.Contains(body, want) || head.Get("Content-Type") != "application/xml" {
			t.Errorf("%s: %s %s, want %s", target, head.Get("Content-Type"), body, want)
		}
	}
	_, err := h.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("missing")})
	s3test.WantCode(t, err, "NoSuchBucket")
}
