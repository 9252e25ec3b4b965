package cwmptest_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// handler is the least that fits cwmp.Handler: a queue of requests, and a record of what came.
type handler struct {
	mu          sync.Mutex
	declaration bool
	queue       []cwmp.Message
	informs     []*cwmp.Inform
	responses   map[string]cwmp.Message
	answers     int
	unanswered  []string
	ends        []cwmp.EndReason
}

func (h *handler) Inform(_ context.Context, s *cwmp.Session, in *cwmp.Inform) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.XMLDeclaration = h.declaration
	h.informs = append(h.informs, in)
	return nil
}

func (h *handler) Request(_ context.Context, _ *cwmp.Session, m cwmp.Message) (cwmp.Message, error) {
	if m.Method() == "TransferComplete" {
		return &cwmp.TransferCompleteResponse{}, nil
	}
	return nil, &cwmp.Fault{FaultCode: cwmp.FaultACSMethodNotSupported}
}

func (h *handler) Next(context.Context, *cwmp.Session) (cwmp.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return nil, nil
	}
	m := h.queue[0]
	h.queue = h.queue[1:]
	return m, nil
}

func (h *handler) Sending(context.Context, *cwmp.Session, cwmp.Message) error { return nil }

func (h *handler) Response(_ context.Context, _ *cwmp.Session, request, response cwmp.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.responses[request.Method()] = response
	h.answers++
	return nil
}

func (h *handler) End(_ *cwmp.Session, reason cwmp.EndReason, unanswered cwmp.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, reason)
	if unanswered != nil {
		h.unanswered = append(h.unanswered, unanswered.Method())
	}
}

// CPEPassword implements cwmp.Credentials.
func (h *handler) CPEPassword(context.Context, string) (string, bool, error) { return "pw", true, nil }

type dialer struct{ *cwmptest.Network }

func (d dialer) DialDevice(ctx context.Context, address string, _ netip.Addr) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", address)
}

// serve runs a cwmp.Server in the bubble and returns how to end it.
func serve(t *testing.T, n *cwmptest.Network, h *handler, auth cwmp.AuthMode) (stop func()) {
	t.Helper()
	srv, err := cwmp.NewServer(cwmp.ServerConfig{Handler: h, Auth: auth, Credentials: h})
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen("acs.example:7547")
	if err != nil {
		t.Fatal(err)
	}
	hs := srv.HTTPServer()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- hs.Serve(l) }()
	go func() { done <- srv.Run(ctx) }()
	return func() {
		hs.Close()
		cancel()
		<-done
		<-done
	}
}

// TestProfilesAgainstServer puts each profile before the real server, with each way of authentication: it informs, is
// asked and reboots, and is woken by a connection request, as far as its habits let it.
func TestProfilesAgainstServer(t *testing.T) {
	for name, p := range cwmptest.Profiles() {
		for _, auth := range []cwmp.AuthMode{cwmp.AuthNone, cwmp.AuthBasic, cwmp.AuthDigest} {
			t.Run(fmt.Sprintf("%s/%s", name, auth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { meet(t, p, auth) })
			})
		}
	}
}

func meet(t *testing.T, p cwmptest.Profile, auth cwmp.AuthMode) {
	ssid, known := map[string]string{cwmptest.RootTR098: ssid, cwmptest.RootTR181: "Device.WiFi.SSID.1.SSID"}[p.Root]
	if !known {
		t.Fatalf("root: got %q", p.Root)
	}
	h := &handler{declaration: p.Quirks.NeedDeclaration, responses: map[string]cwmp.Message{}}
	h.queue = []cwmp.Message{
		&cwmp.GetParameterValues{ParameterNames: []string{ssid, p.Root + "DeviceInfo.UpTime"}},
		&cwmp.SetParameterValues{ParameterKey: "pk", ParameterList: []cwmp.ParameterValue{{Name: ssid, Type: "xsd:string", Value: "new"}}},
		&cwmp.Reboot{CommandKey: "ck"},
	}
	n := cwmptest.NewNetwork()
	stop := serve(t, n, h, auth)
	defer stop()
	cfg := p.Config("SN-1")
	journal := &cwmptest.Journal{}
	cfg.ACSURL, cfg.Net, cfg.Password, cfg.BootDelay = "http://acs.example:7547/acs", n, "pw", time.Minute
	cfg.ConnectionRequestUsername, cfg.ConnectionRequestPassword, cfg.Observe = "cr", "secret", journal.Add
	dev := cwmptest.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- dev.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	time.Sleep(20 * time.Minute)
	synctest.Wait()

	if p.Quirks.DiesOn401 && auth == cwmp.AuthDigest {
		if s := dev.Sessions(); s.Ended != 0 || len(h.informs) != 0 {
			t.Errorf("dies on a challenge: got %+v and %d Informs, want none", s, len(h.informs))
		}
		return
	}
	defer func() {
		if t.Failed() {
			for _, note := range journal.Notes("") {
				t.Logf("%v %s %s %s\n%s", note.At, note.Kind, note.Method, note.Text, note.Wire)
			}
		}
	}()
	checkMeeting(t, p, h, dev, ssid)
	wake(t, p, h, dev, n)
}

func checkMeeting(t *testing.T, p cwmptest.Profile, h *handler, dev *cwmptest.Device, ssid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.informs) < 2 {
		t.Fatalf("Informs: got %d (ends %v), want 2 or more", len(h.informs), h.ends)
	}
	if got := h.informs[0].DeviceID; got != dev.ID() {
		t.Errorf("identity: got %+v, want %+v", got, dev.ID())
	}
	dies := map[string]bool{"SetParameterValues": p.Quirks.RefuseParameterKey}
	for _, m := range p.Quirks.DiesOn {
		dies[m] = true
	}
	for _, m := range []string{"GetParameterValues", "SetParameterValues", "Reboot"} {
		_, answered := h.responses[m]
		if answered == dies[m] {
			t.Errorf("%s: got an answer %v, want %v", m, answered, !dies[m])
		}
		if dies[m] != slices.Contains(h.unanswered, m) {
			t.Errorf("unanswered: got %v, dies on %s is %v", h.unanswered, m, dies[m])
		}
	}
	if r, ok := h.responses["SetParameterValues"].(*cwmp.SetParameterValuesResponse); ok {
		if r.StatusMissing != p.Quirks.StatusMissing || (r.Status == 1) != p.Quirks.StatusOne {
			t.Errorf("status: got %+v", r)
		}
		if got := dev.Value(ssid); got != "new" {
			t.Errorf("SSID: got %q, want new", got)
		}
	}
	if dies["Reboot"] {
		return
	}
	if n := dev.RebootsOf("ck"); n != 1 {
		t.Errorf("reboots: got %d, want 1", n)
	}
	keyed := slices.ContainsFunc(h.informs, func(in *cwmp.Inform) bool {
		return slices.ContainsFunc(in.Events, func(e cwmp.Event) bool { return e.Is("M Reboot") && e.CommandKey == "ck" })
	})
	if want := p.Quirks.MReboot == cwmptest.MRebootKey && !p.Quirks.BootstrapOnBoot; keyed != want {
		t.Errorf("M Reboot with our key: got %v, want %v", keyed, want)
	}
}

// wake sends a connection request with the real requester and waits for the session.
func wake(t *testing.T, p cwmptest.Profile, h *handler, dev *cwmptest.Device, n *cwmptest.Network) {
	h.mu.Lock()
	before := len(h.informs)
	reported := ""
	for _, in := range h.informs {
		if v, ok := in.Parameter(".ConnectionRequestURL"); ok && strings.TrimSpace(v.Value) != "" {
			reported = v.Value
		}
	}
	h.mu.Unlock()
	if reported == "" { // quirk 23: not before the second session after a boot
		reported = dev.ConnectionRequestURL()
	}
	user := "cr"
	if id := dev.ID(); p.Quirks.OwnUsername {
		user = id.OUI + "-" + id.ProductClass + "-" + id.SerialNumber
	}
	r := &cwmp.Requester{Dialer: dialer{n}}
	err := r.Request(t.Context(), cwmp.ConnectionRequest{
		URL: reported, Username: user, Password: "secret", Source: netip.MustParseAddr("10.0.0.1"),
	})
	if err != nil {
		t.Errorf("connection request: got %v, want it accepted", err)
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.informs) <= before {
		t.Fatal("no Inform after the connection request")
	}
	if got := codes(h.informs[before].Events); got != cwmp.EventConnectionRequest {
		t.Errorf("events: got %q, want %q", got, cwmp.EventConnectionRequest)
	}
}
