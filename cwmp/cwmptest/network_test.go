package cwmptest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp/cwmptest"
)

func TestNetworkServesHTTPWithSourceAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := cwmptest.NewNetwork()
		l, err := n.Listen("acs.example:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.RemoteAddr)
		})}
		done := make(chan error)
		go func() { done <- srv.Serve(l) }()
		tr := &http.Transport{DialContext: n.From(netip.MustParseAddr("10.0.0.7")).DialContext}
		res, err := (&http.Client{Transport: tr}).Get("http://acs.example/")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != "10.0.0.7:40000" {
			t.Errorf("RemoteAddr: got %q, want 10.0.0.7:40000", got)
		}
		tr.CloseIdleConnections()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-done
	})
}

func TestNetworkRefusals(t *testing.T) {
	n := cwmptest.NewNetwork()
	if _, err := n.DialContext(t.Context(), "tcp", "10.0.0.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nothing listens: got %v, want ECONNREFUSED", err)
	}
	var dns *net.DNSError
	if _, err := n.DialContext(t.Context(), "tcp", "nobody:80"); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("unknown name: got %v, want a DNSError", err)
	}
	n.Name("somebody", netip.MustParseAddr("10.0.0.2"))
	if _, err := n.DialContext(t.Context(), "tcp", "somebody:80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("known name: got %v, want ECONNREFUSED", err)
	}
	l, err := n.Listen("somebody:80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("10.0.0.2:80"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: got %v, want EADDRINUSE", err)
	}
	c, err := n.DialContext(t.Context(), "tcp", "somebody:80")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("never accepted: got %v, want ECONNRESET", err)
	}
	if _, err := n.DialContext(t.Context(), "tcp", "somebody:80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed listener: got %v, want ECONNREFUSED", err)
	}
	n.Unreachable("somebody")
	if _, err := n.DialContext(t.Context(), "tcp", "somebody:80"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("unreachable: got %v, want EHOSTUNREACH", err)
	}
}

func pair(t *testing.T, n *cwmptest.Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen("10.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err = n.From(netip.MustParseAddr("10.0.0.7")).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestNetworkCutAndRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := cwmptest.NewNetwork()
		client, server := pair(t, n)
		broken := make(chan error)
		go func() { _, err := server.Read(make([]byte, 1)); broken <- err }()
		synctest.Wait()
		n.Cut("10.0.0.7")
		if err := <-broken; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read on a cut connection: got %v, want ECONNRESET", err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write on a cut connection: got %v, want ECONNRESET", err)
		}
		from, to := n.From(netip.MustParseAddr("10.0.0.7")), server.LocalAddr().String()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := from.DialContext(ctx, "tcp", to); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("dial while cut: got %v after %v, want the deadline after 5s", err, time.Since(start))
		}
		time.AfterFunc(time.Minute, func() { n.Restore("10.0.0.7") })
		start = time.Now()
		c, err := from.DialContext(t.Context(), "tcp", to)
		if err != nil || time.Since(start) != time.Minute {
			t.Fatalf("dial over the outage: got %v after %v, want success after 1m", err, time.Since(start))
		}
		c.Close()
	})
}

func TestNetworkConnBufferingDeadlinesAndEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, cwmptest.NewNetwork())
		want := bytes.Repeat([]byte("0123456789"), 20_000) // more than the buffer holds
		go func() {
			_, _ = client.Write(want)
			client.Close()
		}()
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes and %v, want %d and nil", len(got), err, len(want))
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write after the reader closed: got %v, want EPIPE", err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after own Close: got %v, want net.ErrClosed", err)
		}

		client, server = pair(t, cwmptest.NewNetwork())
		start := time.Now()
		_ = server.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("read deadline: got %v after %v, want deadline exceeded after 3s", err, time.Since(start))
		}
		_ = client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := client.Write(want)
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != 64<<10 {
			t.Errorf("write deadline: got %d and %v, want 65536 and deadline exceeded", n, err)
		}
		_ = server.SetReadDeadline(time.Time{})
		if n, err := server.Read(make([]byte, 10)); n != 10 || err != nil {
			t.Errorf("read after the deadline was lifted: got %d and %v, want 10 and nil", n, err)
		}
		client.Close()
		server.Close()
	})
}
