package notify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// PrivateAddressError says that a URL leads to an address that is not on the
// public Internet, where a recipient from somebody's data must not reach.
type PrivateAddressError struct{ Addr netip.Addr }

func (e *PrivateAddressError) Error() string {
	return fmt.Sprintf("address %s is not public", e.Addr)
}

// special are the networks that netip.Addr's own methods do not tell, and that
// lead, or may lead, to something that is not a public host.
var special = sync.OnceValue(func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8",       // this network
		"100.64.0.0/10",   // shared by carriers, and inside some clouds
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // protocol assignments, Teredo among them
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4: holds any IPv4 address
		"3fff::/20",       // documentation
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
})

// globalUnicast is all of IPv6 that is given to public hosts. What lies outside,
// such as 64:ff9b::/96 which holds any IPv4 address, is not.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// publicDialer returns a dialer that refuses addresses which are not public. It
// judges the address it connects to, after the name was resolved, so that a
// name which resolves differently the second time gains nothing.
func publicDialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("address %q: %w", address, err)
			}
			if !isPublic(ap.Addr()) {
				return &PrivateAddressError{Addr: ap.Addr().Unmap()}
			}
			return nil
		},
	}
}
