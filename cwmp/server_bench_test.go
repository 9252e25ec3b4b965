package cwmp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"recado/cwmp"
)

type quiet struct{}

func (quiet) Inform(context.Context, *cwmp.Session, *cwmp.Inform) error { return nil }
func (quiet) Request(context.Context, *cwmp.Session, cwmp.Message) (cwmp.Message, error) {
	return nil, nil
}
func (quiet) Next(context.Context, *cwmp.Session) (cwmp.Message, error)  { return nil, nil }
func (quiet) Sending(context.Context, *cwmp.Session, cwmp.Message) error { return nil }
func (quiet) Response(context.Context, *cwmp.Session, cwmp.Message, cwmp.Message) error {
	return nil
}
func (quiet) End(*cwmp.Session, cwmp.EndReason, cwmp.Message) {}

// benchSessions plays Inform, InformResponse, empty POST, 204 on one loopback connection; ns/op is one such exchange, client
// included.
func benchSessions(b *testing.B, hs *http.Server) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = conn.Close()
		_ = hs.Close()
		<-served
	}()
	in := bufio.NewReader(conn)
	body := periodic(b)
	inform := fmt.Appendf(nil, "POST /acs HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	buf := make([]byte, 4096)
	answer := func(status string) string {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+status) {
			b.Fatalf("got %q, %v, want %s", line, err, status)
		}
		cookie, length := "", 0
		for line != "\r\n" {
			if line, err = in.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
			if v, ok := strings.CutPrefix(line, "Set-Cookie: "); ok {
				cookie, _, _ = strings.Cut(v, ";")
			}
			_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		}
		if _, err := io.ReadFull(in, buf[:length]); err != nil {
			b.Fatal(err)
		}
		return cookie
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(inform); err != nil {
			b.Fatal(err)
		}
		cookie := answer("200")
		if _, err := io.WriteString(conn, "POST /acs HTTP/1.1\r\nHost: acs\r\nCookie: "+cookie+"\r\nContent-Length: 0\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		answer("204")
	}
}

func periodic(t testing.TB) string {
	list := []cwmp.ParameterValue{}
	for _, n := range []string{"DeviceInfo.HardwareVersion", "DeviceInfo.SoftwareVersion", "DeviceInfo.ProvisioningCode", "ManagementServer.ParameterKey", "ManagementServer.ConnectionRequestURL", "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress"} {
		list = append(list, cwmp.ParameterValue{Name: "InternetGatewayDevice." + n, Value: "http://192.0.2.7:7547/x", Type: "xsd:string"})
	}
	return say(t, "1", &cwmp.Inform{
		DeviceID: cwmp.DeviceID{Manufacturer: "M", OUI: "00AA11", ProductClass: "P", SerialNumber: "A"},
		Events:   []cwmp.Event{{EventCode: cwmp.EventPeriodic}}, ParameterList: list,
	})
}

// BenchmarkSession is a periodic Inform without work through the Server; BenchmarkBareHTTP is its limit.
func BenchmarkSession(b *testing.B) {
	s, err := cwmp.NewServer(cwmp.ServerConfig{Handler: quiet{}, Auth: cwmp.AuthNone})
	if err != nil {
		b.Fatal(err)
	}
	benchSessions(b, s.HTTPServer())
}

// BenchmarkBareHTTP answers the same exchange with fixed bytes.
func BenchmarkBareHTTP(b *testing.B) {
	response, err := cwmp.Encode(&cwmp.Envelope{Namespace: cwmp.Namespace10, ID: "1", HasID: true, Message: &cwmp.InformResponse{}}, false)
	if err != nil {
		b.Fatal(err)
	}
	benchSessions(b, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); n == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(response)))
		w.Header().Set("Set-Cookie", "session=0123456789abcdef0123456789abcdef; Path=/")
		_, _ = w.Write(response)
	})})
}
