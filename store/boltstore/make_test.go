package boltstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/store/boltstore"
	"recado/webhook"
)

var ctx = context.Background()

// newStore opens an empty store that is closed when the test ends.
func newStore(t testing.TB) *opened {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "recado.db"))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func newID(t testing.TB, prefix string) string {
	t.Helper()
	p := newProtocolo()
	return prefix + hex.EncodeToString(p[:])
}

var idsMade atomic.Uint32

// newProtocolo is acs.NewProtocolo by the bubble's clock: uuid's own never goes back to where a bubble begins.
func newProtocolo() (p acs.Protocolo) {
	binary.BigEndian.PutUint64(p[:], uint64(time.Now().UnixMilli())<<16)
	n := idsMade.Add(1)
	p[6], p[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(p[9:], n)
	rand.Read(p[13:])
	return p
}

func newAction(t testing.TB, device string) acs.Action {
	t.Helper()
	now := time.Now().UTC().Round(0)
	return acs.Action{
		ID: newProtocolo(), Client: "cli_1", Kind: acs.KindParametersUpdate, Device: device, RouterID: "RTR-" + device, Status: acs.StatusPending,
		Stage: acs.StageQueued, CreatedAt: now, DeadlineAt: now.Add(time.Hour),
		Parameters: []acs.Parameter{
			{Name: "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID", Value: "marker-ssid", Type: "xsd:string"},
			{Name: "InternetGatewayDevice.ManagementServer.PeriodicInformInterval", Value: "300", Type: "xsd:unsignedInt"},
		},
		Timeline: []acs.TimelineEntry{{At: now, What: "accepted"}},
	}
}

func newEndpoint(t testing.TB, client string) webhook.Endpoint {
	t.Helper()
	now := time.Now().UTC().Round(0)
	return webhook.Endpoint{
		ID: newID(t, "wh_"), Client: client, URL: "https://example.net/hook", Events: []string{"*"}, State: webhook.EndpointActive,
		Secret: "whsec_marker-secret", Order: webhook.OrderNone, CreatedAt: now, UpdatedAt: now,
	}
}

// newOutbox tells of a verdict to one endpoint.
func newOutbox(t testing.TB, a acs.Action, endpoint string) acs.Outbox {
	t.Helper()
	body := `{"type":"action.succeeded","data":{"sequence":}}`
	e := webhook.Event{
		ID: newID(t, "evt_"), Type: "action.succeeded", Client: a.Client, Protocolo: a.ID.String(), Device: a.Device, Time: time.Now().UTC(),
		Body: []byte(body), SequenceAt: strings.Index(body, `sequence":`) + len(`sequence":`),
	}
	return acs.Outbox{Events: []webhook.Event{e}, Deliveries: []webhook.Delivery{{
		ID: newID(t, "dlv_"), Event: e.ID, EventType: e.Type, Endpoint: endpoint, Client: a.Client, Protocolo: a.ID.String(),
		Device: a.Device, State: webhook.DeliveryPending, OrderKey: a.ID.String(), NextAt: time.Now().UTC(), CreatedAt: time.Now().UTC(),
	}}}
}

func finished(a acs.Action) acs.Action {
	a.Status, a.FinishedAt = acs.StatusSuccess, time.Now().UTC()
	return a
}

// furnish stores one of everything and gives the actions: one pending, one done with a delivery tried once, to be tried again.
func furnish(t testing.TB, s *opened) (pending, done acs.Action) {
	t.Helper()
	check(t, "client", s.CreateClient(ctx, acs.Client{ID: "cli_1", Name: "erp", Scopes: acs.DefaultScopes, SecretHash: "abc"}))
	check(t, "token", s.AddToken(ctx, acs.Token{Hash: strings.Repeat("ab", 32), Client: "cli_1"}))
	e := newEndpoint(t, "cli_1")
	e.OldSecret = "marker-old-secret"
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	_, err := s.PutFacts(ctx, "202BC1-BM632w-000000", cwmp.DeviceID{OUI: "202BC1", ProductClass: "BM632w", SerialNumber: "000000"}, acs.Facts{
		RouterID: "RTR-1", PPPoELogin: "ana@example", MAC: "202BC1000001", Tags: []string{"fibre"},
		ConnectionRequest: acs.Credential{Username: "cr", Password: "marker-cr-password"},
		CWMPAuth:          acs.Credential{Username: "cpe", Password: "marker-cpe-password"},
	})
	check(t, "facts", err)
	check(t, "report", s.Report(ctx, "202BC1-BM632w-000000", cwmp.DeviceID{Manufacturer: "Huawei", OUI: "202BC1", ProductClass: "BM632w", SerialNumber: "000000"},
		acs.Reported{Root: "InternetGatewayDevice.", SoftwareVersion: "V1", FirstInform: time.Now(), LastInform: time.Now(), MAC: "20:2b:c1:00:00:01"}))
	check(t, "types", s.LearnTypes(ctx, "202BC1-BM632w-000000", map[string]string{"InternetGatewayDevice.A": "xsd:string"}))
	pending, _, err = s.CreateAction(ctx, newAction(t, "cpe-1"), acs.Idempotency{Key: "key-1", BodyMAC: "mac"}, acs.Outbox{})
	check(t, "create", err)
	done, _, err = s.CreateAction(ctx, newAction(t, "cpe-2"), acs.Idempotency{}, acs.Outbox{})
	check(t, "create", err)
	done, err = s.FinishAction(ctx, finished(done), newOutbox(t, done, e.ID))
	check(t, "finish", err)
	leases, _, err := s.ClaimDeliveries(ctx, limits)
	check(t, "claim", err)
	if len(leases) != 1 {
		t.Fatalf("claim: got %d leases, want 1", len(leases))
	}
	check(t, "attempt", attempted(s, leases[0],
		webhook.Attempt{At: time.Now().UTC(), Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500", Response: "no\xff"},
		webhook.Settlement{State: webhook.DeliveryPending, NextAt: time.Now().Add(5 * time.Second)}))
	return pending, done
}

var limits = webhook.ClaimLimits{Total: 256, PerEndpoint: 4, Lease: time.Minute}

func dump(t testing.TB, path string) string {
	t.Helper()
	var b bytes.Buffer
	check(t, "dump", boltstore.Dump(&b, path, boltstore.Options{}))
	return b.String()
}

// records is a dump without what counts commits.
func records(t testing.TB, path string) string {
	t.Helper()
	var kept []string
	for line := range strings.Lines(dump(t, path)) {
		if !strings.Contains(line, `"key":"commits"`) && !strings.Contains(line, `"key":"ping"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// copyStore copies both files of a store.
func copyStore(t testing.TB, from, to string) {
	t.Helper()
	for _, name := range []string{"recado.db", "recado.devices.db"} {
		check(t, "copy", copyFile(filepath.Join(filepath.Dir(from), name), filepath.Join(filepath.Dir(to), name)))
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, as[i], bs[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(as), len(bs))
}

const mergeAt = boltstore.MergeAt

func newIdentity(i int) cwmp.DeviceID {
	return cwmp.DeviceID{Manufacturer: "Huawei", OUI: "00259E", ProductClass: "HG8245H", SerialNumber: fmt.Sprint("SN", i)}
}

func backupTo(s *opened, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = s.Backup(ctx, f)
	return errors.Join(err, f.Close())
}

// spread calls do n times from that many goroutines.
func spread(writers, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				do(int(i - 1))
			}
		})
	}
	wg.Wait()
}

// attempted is RecordAttempt where the error is what counts.
func attempted(s webhook.QueueStore, l webhook.Lease, a webhook.Attempt, to webhook.Settlement) error {
	_, err := s.RecordAttempt(ctx, l, a, to)
	return err
}
