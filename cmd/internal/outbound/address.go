package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// Resolver looks up the addresses of a host name; *net.Resolver is one. It must be safe for concurrent use.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// neverPrefixes are refused in every network that an operator may allow: nothing that a webhook or a connection request is
// for lives there, and the metadata services of clouds do, which hand out credentials to who asks from the inside.
var neverPrefixes = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("100.100.100.200/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("192.0.0.192/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "a cloud's metadata address"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "a cloud's metadata address"},
}

// never says what is wrong with an address that may not be dialled in any network, "" where nothing is. An IPv4 address inside
// an IPv6 one (NAT64, 6to4, mapped) counts as itself: allowing a translator's prefix must not open the way to metadata.
func never(a netip.Addr) string {
	if a.Zone() != "" {
		return "an address with a zone"
	}
	for _, n := range neverPrefixes {
		if n.prefix.Contains(a) {
			return n.what
		}
	}
	if v4, ok := embedded(a); ok {
		if what := never(v4); what != "" {
			return what + " inside an IPv6 one"
		}
		if v4.IsLoopback() {
			return "a loopback address inside an IPv6 one"
		}
	}
	return ""
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// embedded gives the IPv4 address that a translator would make of a: RFC 4291 mapped and compatible, RFC 6052, RFC 8215, 6to4.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() || a == netip.IPv6Loopback() || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case a.Is4In6():
		return a.Unmap(), true
	case nat64.Contains(a), localNAT64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case [12]byte(b[:12]) == [12]byte{}:
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// own holds the addresses of our own listeners, set once they are known.
type own struct {
	list atomic.Pointer[[]netip.AddrPort]
}

// set replaces the list. A listener on all addresses stands for each address of the machine.
func (o *own) set(listeners []netip.AddrPort) {
	var list []netip.AddrPort
	for _, l := range listeners {
		list = append(list, netip.AddrPortFrom(l.Addr().Unmap(), l.Port()))
		if !l.Addr().IsUnspecified() {
			continue
		}
		interfaces, _ := net.InterfaceAddrs()
		for _, i := range interfaces {
			if p, err := netip.ParsePrefix(i.String()); err == nil {
				list = append(list, netip.AddrPortFrom(p.Addr().Unmap(), l.Port()))
			}
		}
	}
	o.list.Store(&list)
}

func (o *own) has(a netip.AddrPort) bool {
	list := o.list.Load()
	return list != nil && slices.Contains(*list, a)
}

// resolve gives the addresses of host, itself where it is a literal.
func resolve(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}

// A refusal is an error that satisfies errors.Is for several sentinels.
type refusal struct {
	text  string
	kinds []error
}

func (r *refusal) Error() string   { return r.text }
func (r *refusal) Unwrap() []error { return r.kinds }

func refuse(also error, format string, args ...any) error {
	r := &refusal{text: fmt.Sprintf(format, args...), kinds: []error{ErrRefused}}
	if also != nil {
		r.kinds = append(r.kinds, also)
	}
	return r
}
