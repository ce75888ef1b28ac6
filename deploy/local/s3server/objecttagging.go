package s3server

import (
	"encoding/xml"
	"net/http"
)

// getObjectTagging serves GetObjectTagging. Objects have no tags: clients ask
// before they copy an object in parts.
func getObjectTagging(s *Server, w http.ResponseWriter, r *request) error {
	if _, err := s.objects.Stat(r.bucket, r.key); err != nil {
		return err
	}
	type tagging struct {
		XMLName xml.Name `xml:"Tagging"`
		Xmlns   string   `xml:"xmlns,attr"`
		TagSet  struct{}
	}
	return writeXML(w, tagging{Xmlns: xmlNamespace})
}
