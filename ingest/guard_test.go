package ingest

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

func TestCheckAddress(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "127.255.255.255", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
	} {
		var blocked *addressError
		if err := checkAddress(netip.MustParseAddr(s)); !errors.As(err, &blocked) || !strings.Contains(err.Error(), s) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00::1"} {
		if err := checkAddress(netip.MustParseAddr(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// No spelling of an address, no name and no redirect leads to this machine.
func TestBlockedAddresses(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { _, _ = w.Write(data) })
	_, port, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
	env := testEnv(t)
	env.HTTP.AllowPrivate = false
	var items []Item
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "user:pw@127.0.0.1"} {
		items = append(items, Item{URI: "http://" + host + ":" + port + "/v.mp4"})
	}
	for _, s := range ingested(t, env, items...) {
		if s.Class != dataset.BlockedAddress || !strings.Contains(s.Error, "--allow-private") {
			t.Errorf("%s: %s: %s", s.URI, s.Class, s.Error)
		}
	}
	if n := len(h.seen()); n > 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// The first host is let through by a transport that knows it; the one that it
// redirects to is checked as any other.
func TestRedirectToPrivateAddress(t *testing.T) {
	inner := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { t.Error("the request arrived") })
	client, done := newClient(HTTPOptions{}.withDefaults())
	defer done()
	env := testEnv(t)
	env.HTTP.AllowPrivate = false
	env.HTTP.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "public.example" {
			return client.Transport.RoundTrip(r)
		}
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {inner.URL}}, Body: http.NoBody, Request: r}, nil
	})
	if s := ingestOne(t, env, Item{URI: "http://public.example/v.mp4"}); s.Class != dataset.BlockedAddress {
		t.Errorf("%s: %s", s.Class, s.Error)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
