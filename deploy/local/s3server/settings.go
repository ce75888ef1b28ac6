package s3server

import (
	"encoding/xml"

	"go.etcd.io/bbolt"
)

// serveSettings answers what clients ask about a bucket, which here is always the same.
func (c *call) serveSettings() error {
	if exists, err := c.BucketExists(c.bucket); err != nil || !exists {
		if err != nil {
			return err
		}
		return errNoSuchBucket
	}
	type settings struct {
		XMLName xml.Name
		Xmlns   string `xml:"xmlns,attr"`
		Text    string `xml:",chardata"`
	}
	out := settings{Xmlns: xmlSpace}
	switch c.action {
	case bucketLocation:
		out.XMLName.Local = "LocationConstraint"
		if c.s.opt.Region != "us-east-1" { // whose name is the empty one
			out.Text = c.s.opt.Region
		}
	case bucketVersioning:
		out.XMLName.Local = "VersioningConfiguration" // empty: never switched on
	case bucketNotification:
		out.XMLName.Local = "NotificationConfiguration" // notices are wired by the home, not by S3's configuration
	}
	return c.answer.writeXML(out)
}

// serveTagging answers that an object has no tags: clients ask before they copy one in parts.
func (c *call) serveTagging() error {
	if err := c.s.db.View(func(tx *bbolt.Tx) error {
		_, err := tables(tx).object(c.bucket, c.key)
		return err
	}); err != nil {
		return err
	}
	type tagging struct {
		XMLName xml.Name `xml:"Tagging"`
		Xmlns   string   `xml:"xmlns,attr"`
		TagSet  struct{}
	}
	return c.answer.writeXML(tagging{Xmlns: xmlSpace})
}
