package s3server

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"sluice/deploy/local/s3server/s3error"
)

// maxBuckets is S3's limit for a page of buckets.
const maxBuckets = 10000

// listBuckets serves ListBuckets.
func listBuckets(s *Server, w http.ResponseWriter, r *request) error {
	limit, err := bucketLimit(r.query.Get("max-buckets"))
	if err != nil {
		return err
	}
	after, err := decodeToken(r.query)
	if err != nil {
		return err
	}
	buckets, err := s.objects.Buckets()
	if err != nil {
		return err
	}
	type entry struct{ Name, CreationDate, BucketRegion string }
	var out struct {
		XMLName           xml.Name `xml:"ListAllMyBucketsResult"`
		Xmlns             string   `xml:"xmlns,attr"`
		Owner             owner
		Buckets           struct{ Bucket []entry }
		ContinuationToken string `xml:",omitempty"`
		Prefix            string `xml:",omitempty"`
	}
	out.Xmlns, out.Owner, out.Prefix = xmlNamespace, localOwner, r.query.Get("prefix")
	otherRegion := r.query.Has("bucket-region") && r.query.Get("bucket-region") != s.objects.Region()
	for _, b := range buckets {
		if otherRegion || b.Name <= after || !strings.HasPrefix(b.Name, out.Prefix) {
			continue
		}
		list := &out.Buckets.Bucket
		if len(*list) == limit {
			out.ContinuationToken = encodeToken((*list)[limit-1].Name)
			break
		}
		*list = append(*list, entry{b.Name, xmlTime(b.Created), s.objects.Region()})
	}
	return writeXML(w, out)
}

func bucketLimit(text string) (int, error) {
	if text == "" {
		return maxBuckets, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxBuckets {
		return 0, s3error.InvalidArgument.WithMessage("Argument max-buckets must be an integer between 1 and %d", maxBuckets)
	}
	return n, nil
}
