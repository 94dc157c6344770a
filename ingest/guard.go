package ingest

import (
	"fmt"
	"net/netip"
	"syscall"
)

// addressError says that a URL leads where none may.
type addressError struct{ addr netip.Addr }

func (e *addressError) Error() string {
	return fmt.Sprintf("%s is not a public address (--allow-private lets URLs lead there)", e.addr)
}

// reserved are the ranges that no public server has, beyond those that
// net/netip knows (IANA's special-purpose registries, 2025-10). The IPv6 ones
// that carry an IPv4 address could lead back to a private one.
var reserved = parsePrefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // carrier-grade NAT
	"192.0.0.0/24",    // IETF protocols
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and broadcast
	"::/96",           // IPv4-compatible
	"64:ff9b::/96",    // NAT64
	"64:ff9b:1::/48",  // NAT64, local
	"100::/64",        // discard
	"2001::/23",       // IETF protocols, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fec0::/10",       // site-local
)

func parsePrefixes(ss ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// checkAddress refuses addresses that are not public.
func checkAddress(addr netip.Addr) error {
	a := addr.WithZone("").Unmap()
	ok := a.IsGlobalUnicast() && !a.IsPrivate() // no loopback, link-local, multicast, unspecified
	for _, p := range reserved {
		ok = ok && !p.Contains(a)
	}
	if !ok {
		return &addressError{addr}
	}
	return nil
}

// control is a net.Dialer's, called with each address after DNS resolution and
// before the connection is made.
func control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return checkAddress(ap.Addr())
}
