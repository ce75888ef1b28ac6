package s3server

import (
	"encoding/xml"
	"net/http"
)

// bucketSetting is the response to a request for a setting of a bucket.
type bucketSetting struct {
	XMLName xml.Name
	Xmlns   string `xml:"xmlns,attr"`
	Text    string `xml:",chardata"`
}

// getBucketLocation serves GetBucketLocation.
func getBucketLocation(s *Server, w http.ResponseWriter, r *request) error {
	region := s.objects.Region()
	if region == "us-east-1" { // whose location is empty
		region = ""
	}
	return s.writeSetting(w, r, "LocationConstraint", region)
}

// getBucketVersioning serves GetBucketVersioning. The empty response means that
// versioning was never enabled.
func getBucketVersioning(s *Server, w http.ResponseWriter, r *request) error {
	return s.writeSetting(w, r, "VersioningConfiguration", "")
}

// getBucketNotification serves GetBucketNotificationConfiguration. The response is
// empty: the local stack configures S3 event notifications itself.
func getBucketNotification(s *Server, w http.ResponseWriter, r *request) error {
	return s.writeSetting(w, r, "NotificationConfiguration", "")
}

func (s *Server) writeSetting(w http.ResponseWriter, r *request, name, text string) error {
	if err := s.objects.HasBucket(r.bucket); err != nil {
		return err
	}
	return writeXML(w, bucketSetting{XMLName: xml.Name{Local: name}, Xmlns: xmlNamespace, Text: text})
}
