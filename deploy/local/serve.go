package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// checkAddr refuses to open the home to other machines unless that was asked
// for, and never without signatures.
func (c *command) checkAddr() error {
	if c.options.Addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.options.Addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.IsLoopback()
	switch {
	case loopback:
		return nil
	case !c.public:
		return fmt.Errorf("-addr %s can be reached from other machines; -public says that this is meant", c.options.Addr)
	case c.options.Open:
		return errors.New("-open and -public together would let anybody in")
	}
	return nil
}

// serve runs the home until it is interrupted.
func (c *command) serve(ctx context.Context) error {
	if c.options.Addr == "" {
		c.options.Addr = defaultAddr
	}
	if a, running, err := findHome(c.options.Dir); err != nil {
		return err
	} else if running {
		return fmt.Errorf("the home in %s is open already: process %d serves it at %s", c.options.Dir, a.PID, a.URL)
	}
	h, err := openHome(ctx, c.options)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, howToFeed, h.address.URL, h.address.AccessKey, h.address.SecretKey, region, h.queues.URL(queueJobs), c.options.Dir,
		strings.TrimPrefix(h.address.URL, "http://"))
	select {
	case <-ctx.Done():
		c.sayStopping()
	case err = <-h.broken:
	}
	return errors.Join(err, h.Close())
}

const howToFeed = `Sluice is at home on %[1]s. Feed it from another shell:

  export AWS_ENDPOINT_URL=%[1]s AWS_ACCESS_KEY_ID=%[2]s AWS_SECRET_ACCESS_KEY=%[3]s AWS_DEFAULT_REGION=%[4]s

  aws CLI   aws --endpoint-url %[1]s s3 cp photo.jpg s3://uploads/photo.jpg
            aws --endpoint-url %[1]s sqs send-message --queue-url %[5]s --message-body '{"type":"user-registration","data":{"email":"ada@example.com","name":"Ada"}}'
  rclone    rclone copy photos ":s3,provider=Other,env_auth,endpoint='%[1]s':uploads"
  s3cmd     s3cmd --access_key=$AWS_ACCESS_KEY_ID --secret_key=$AWS_SECRET_ACCESS_KEY --no-ssl --host=%[7]s --host-bucket=%[7]s put photo.jpg s3://uploads/photo.jpg
  curl      curl -T photo.jpg "$(go run ./deploy/local -data %[6]s presign photo.jpg)"
  sluice    go run ./deploy/local -data %[6]s photo.jpg

Thumbnails stand in s3://thumbnails, notifications in %[6]s/outbox. Ctrl-C stops it; nothing is lost.
`
