package stack

import (
	"context"
	"net"
	"net/http"
	"sync"

	"sluice/deploy/local/admin"
)

// ownConnections knows the connections from the stack to itself by their local
// addresses, which no other connection has while they are open. Safe for
// concurrent use.
type ownConnections struct{ addrs sync.Map }

// transport returns a transport whose connections are known.
func (o *ownConnections) transport() *http.Transport {
	t := admin.NewTransport()
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		o.addrs.Store(c.LocalAddr().String(), nil)
		return &ownConn{Conn: c, addrs: &o.addrs}, nil
	}
	return t
}

// has reports whether a request came over a known connection.
func (o *ownConnections) has(r *http.Request) bool {
	_, ok := o.addrs.Load(r.RemoteAddr)
	return ok
}

type ownConn struct {
	net.Conn
	addrs *sync.Map
}

func (c *ownConn) Close() error {
	c.addrs.Delete(c.LocalAddr().String())
	return c.Conn.Close()
}
