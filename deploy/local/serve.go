package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/workers/schema"
)

// checkAddr refuses an address that other machines can reach, unless -public
// allows it, and refuses -open there.
func (c *command) checkAddr() error {
	return errors.Join(c.checkHost("-addr", c.options.Addr, defaultAddr), c.checkHost("-api", c.options.APIAddr, defaultAPIAddr))
}

func (c *command) checkHost(flag, addr, example string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s: got %q, want host:port such as %s", flag, addr, example)
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.IsLoopback()
	switch {
	case loopback:
		return nil
	case !c.public:
		return fmt.Errorf("%s: other machines can reach %s; add -public to allow it", flag, addr)
	case c.options.Open:
		return errors.New("-open and -public exclude each other: together they let anybody in")
	}
	return nil
}

// serve runs the stack until it is interrupted.
func (c *command) serve(ctx context.Context) error {
	if c.options.Addr == "" {
		c.options.Addr = defaultAddr
		c.options.APIAddr = cmp.Or(c.options.APIAddr, defaultAPIAddr)
	}
	// Beside another address, the default one may be in use.
	c.options.APIAddr = cmp.Or(c.options.APIAddr, "127.0.0.1:0")
	if r, running := admin.Find(c.options.Dir); running {
		return fmt.Errorf("the folder %s is in use: process %d serves it at %s", c.options.Dir, r.PID, r.URL)
	}
	s, err := stack.Open(ctx, c.options)
	if err != nil {
		return err
	}
	r := s.Runtime()
	fmt.Fprintf(c.stdout, servingText, r.URL, r.AccessKey, r.SecretKey, admin.Region, s.QueueURL(schema.QueueJobs), c.options.Dir,
		strings.TrimPrefix(r.URL, "http://"), s.APIURL())
	select {
	case <-ctx.Done():
		c.printStopping()
	case err = <-s.Failed():
	}
	return errors.Join(err, s.Close())
}

const servingText = `Sluice serves S3 and SQS at %[1]s. Send it work from another shell:

  export AWS_ENDPOINT_URL=%[1]s AWS_ACCESS_KEY_ID=%[2]s AWS_SECRET_ACCESS_KEY=%[3]s AWS_DEFAULT_REGION=%[4]s

  aws CLI   aws --endpoint-url %[1]s s3 cp photo.jpg s3://uploads/photo.jpg
            aws --endpoint-url %[1]s sqs send-message --queue-url %[5]s --message-body '{"type":"user-registration","data":{"email":"ada@example.com","name":"Ada"}}'
  rclone    rclone copy photos ":s3,provider=Other,env_auth,endpoint='%[1]s':uploads"
  s3cmd     s3cmd --access_key=$AWS_ACCESS_KEY_ID --secret_key=$AWS_SECRET_ACCESS_KEY --no-ssl --host=%[7]s --host-bucket=%[7]s put photo.jpg s3://uploads/photo.jpg
  curl      curl -T photo.jpg "$(go run ./deploy/local -data %[6]s presign photo.jpg)"
  sluice    go run ./deploy/local -data %[6]s photo.jpg
  HTTP API  curl %[8]s/hello        its documentation: %[8]s/docs

Thumbnails are in s3://thumbnails, notifications in %[6]s/outbox. Ctrl-C stops it; nothing is lost.
`
