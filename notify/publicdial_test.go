package notify

import (
	"net/netip"
	"testing"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8":                true,
		"52.94.236.248":          true,
		"172.32.0.1":             true,
		"100.128.0.1":            true,
		"2606:4700:4700::1111":   true,
		"2a00:1450:4001:81b::1":  true,
		"2001:4860:4860::8888":   true,
		"::ffff:8.8.8.8":         true,
		"127.0.0.1":              false,
		"127.9.9.9":              false,
		"::1":                    false,
		"0.0.0.0":                false,
		"0.1.2.3":                false,
		"::":                     false,
		"10.0.0.1":               false,
		"172.16.0.1":             false,
		"172.31.255.255":         false,
		"192.168.1.1":            false,
		"169.254.169.254":        false, // where clouds keep an instance's credentials
		"169.254.170.2":          false,
		"fd00:ec2::254":          false,
		"fe80::1":                false,
		"fe80::1%eth0":           false,
		"fec0::1":                false,
		"100.64.0.1":             false,
		"100.100.100.200":        false,
		"192.0.0.8":              false,
		"192.0.2.1":              false,
		"198.18.0.1":             false,
		"198.51.100.7":           false,
		"203.0.113.7":            false,
		"224.0.0.1":              false,
		"ff02::1":                false,
		"240.0.0.1":              false,
		"255.255.255.255":        false,
		"::ffff:127.0.0.1":       false,
		"::ffff:169.254.169.254": false,
		"::127.0.0.1":            false,
		"64:ff9b::7f00:1":        false,
		"64:ff9b:1::1":           false,
		"2002:7f00:1::1":         false,
		"2001::1":                false,
		"2001:db8::1":            false,
		"100::1":                 false,
		"4000::1":                false,
	} {
		if got := isPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got public=%v, want %v", text, got, want)
		}
	}
}
