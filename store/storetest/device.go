package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"recado/acs"
	"recado/cwmp"
)

var deviceCases = []testCase{
	{"device/by facts, by reports, by both", (*env).deviceParts},
	{"device/every field is stored", (*env).deviceFields},
	{"device/not there", (*env).deviceMissing},
	{"device/facts change by version", (*env).factsVersions},
	{"device/names that only one device can have", (*env).uniqueNames},
	{"device/racing for a router_id", (*env).racingNames},
	{"device/a report is seen at once", (*env).reportSeen},
	{"device/learned types", (*env).learnedTypes},
}

func (e *env) readDevice(id string) acs.Device {
	e.Helper()
	return try(e.Device(e.ctx, id)).get(e, "read device")
}

func (e *env) deviceParts() {
	put := e.facts("A", acs.Facts{RouterID: "R-A", City: "Recife"})
	want := acs.Device{ID: "A", Identity: identity("SNA"), Facts: acs.Facts{RouterID: "R-A", City: "Recife", Version: 1}}
	e.same("what PutFacts gives", put, want)
	e.same("facts only", e.readDevice("A"), want)

	e.report("B", acs.Reported{Root: "Device.", FirstInform: e.now()})
	e.same("reports only", e.readDevice("B"),
		acs.Device{ID: "B", Identity: identity("SNB"), Reported: acs.Reported{Root: "Device.", FirstInform: e.now()}})

	said := identity("SNA")
	said.Manufacturer = "As the device spells it"
	e.ok("report", e.Report(e.ctx, "A", said, acs.Reported{SoftwareVersion: "1"}))
	want.Identity, want.Reported = said, acs.Reported{SoftwareVersion: "1"}
	e.same("both", e.readDevice("A"), want)
	want.Facts.City = "Olinda"
	put, err := e.PutFacts(e.ctx, "A", identity("SNA"), want.Facts)
	e.ok("put facts", err)
	want.Facts.Version = 2
	e.same("what PutFacts gives of both", put, want)
	e.same("both, facts changed: the device knows best who it is", e.readDevice("A"), want)
}

func (e *env) deviceFields() {
	var d acs.Device
	fill(&d, 1)
	d.Facts.Version = 0
	_, err := e.PutFacts(e.ctx, d.ID, d.Identity, d.Facts)
	e.ok("put facts", err)
	e.ok("report", e.Report(e.ctx, d.ID, d.Identity, d.Reported))
	d.Facts.Version = 1
	e.same("every field", e.readDevice(d.ID), d)
	list, _, err := e.Devices(e.ctx, acs.DeviceFilter{})
	e.ok("devices", err)
	e.same("listed", list, []acs.Device{d})

	e.ok("report less", e.Report(e.ctx, d.ID, d.Identity, acs.Reported{}))
	_, err = e.PutFacts(e.ctx, d.ID, d.Identity, acs.Facts{Version: 1})
	e.ok("put fewer facts", err)
	e.same("nothing of the old is left", e.readDevice(d.ID), acs.Device{ID: d.ID, Identity: d.Identity, Facts: acs.Facts{Version: 2}})
}

func (e *env) deviceMissing() {
	_, err := e.Device(e.ctx, "A")
	e.wantErr("device", err, acs.ErrNotFound)
	e.ok("learn types", e.LearnTypes(e.ctx, "A", map[string]string{"Device.X": "xsd:string"}))
	_, err = e.Device(e.ctx, "A")
	e.wantErr("device of which only types are known", err, acs.ErrNotFound)
	e.same("list", tryAll(e.Devices(e.ctx, acs.DeviceFilter{})).get(e, "devices"), []acs.Device(nil))
	e.same("find", try(e.FindDevices(e.ctx, "A")).get(e, "find"), []acs.Device(nil))
	e.same("find no name", try(e.FindDevices(e.ctx, "")).get(e, "find"), []acs.Device(nil))
	_, err = e.DeviceByCPEUsername(e.ctx, "user")
	e.wantErr("device by user name", err, acs.ErrNotFound)
}

func (e *env) factsVersions() {
	for _, version := range []uint64{1, 7} {
		_, err := e.PutFacts(e.ctx, "A", identity("SNA"), acs.Facts{Version: version})
		e.wantErr(fmt.Sprintf("first facts with version %d", version), err, acs.ErrConflict)
	}
	_, err := e.Device(e.ctx, "A")
	e.wantErr("after the conflicts", err, acs.ErrNotFound)
	d := e.facts("A", acs.Facts{City: "1"})
	for _, version := range []uint64{0, 2} {
		_, err = e.PutFacts(e.ctx, "A", identity("SNA"), acs.Facts{City: "2", RouterID: "R", Version: version})
		e.wantErr(fmt.Sprintf("facts with version %d", version), err, acs.ErrConflict)
	}
	e.same("after the conflicts", e.readDevice("A"), d)
	e.same("find by a refused router_id", try(e.FindDevices(e.ctx, "R")).get(e, "find"), []acs.Device(nil))
	d.Facts.City = "3"
	d, err = e.PutFacts(e.ctx, "A", identity("SNA"), d.Facts)
	e.ok("facts with the right version", err)
	if d.Facts.Version != 2 || d.Facts.City != "3" {
		e.Errorf("facts after it: got version %d of %q, want 2 of 3", d.Facts.Version, d.Facts.City)
	}
	e.report("A", acs.Reported{})
	if v := e.readDevice("A").Facts.Version; v != 2 {
		e.Errorf("facts' version after a report: got %d, want 2", v)
	}
}

func (e *env) uniqueNames() {
	user := func(name string) acs.Credential { return acs.Credential{Username: name, Password: "p-" + name} }
	a := e.facts("A", acs.Facts{RouterID: "R", CWMPAuth: user("u")})
	e.facts("B", acs.Facts{})
	b := e.readDevice("B")
	for what, f := range map[string]acs.Facts{
		"router_id":    {RouterID: "R", CWMPAuth: user("v"), Version: 1},
		"CPE username": {RouterID: "S", CWMPAuth: user("u"), Version: 1},
	} {
		_, err := e.PutFacts(e.ctx, "B", identity("SNB"), f)
		e.wantErr(what+" of another device", err, acs.ErrExists)
	}
	e.same("after the refusals", e.readDevice("B"), b)
	e.same("by a refused router_id", try(e.FindDevices(e.ctx, "S")).get(e, "find"), []acs.Device(nil))
	_, err := e.DeviceByCPEUsername(e.ctx, "v")
	e.wantErr("by a refused user name", err, acs.ErrNotFound)
	e.same("by router_id", try(e.FindDevices(e.ctx, "R")).get(e, "find"), []acs.Device{a})
	e.same("by user name", try(e.DeviceByCPEUsername(e.ctx, "u")).get(e, "by user name"), a)
	_, err = e.DeviceByCPEUsername(e.ctx, "")
	e.wantErr("by no user name", err, acs.ErrNotFound)
	e.facts("C", acs.Facts{}) // having no name is no name

	same, err := e.PutFacts(e.ctx, "A", identity("SNA"), a.Facts)
	e.ok("the same names again", err)
	same.Facts.RouterID, same.Facts.CWMPAuth = "R2", user("u2")
	a, err = e.PutFacts(e.ctx, "A", identity("SNA"), same.Facts)
	e.ok("other names", err)
	b, err = e.PutFacts(e.ctx, "B", identity("SNB"), acs.Facts{RouterID: "R", CWMPAuth: user("u"), Version: 1})
	e.ok("names that were given up", err)
	e.same("by router_id R", try(e.FindDevices(e.ctx, "R")).get(e, "find"), []acs.Device{b})
	e.same("by user name u", try(e.DeviceByCPEUsername(e.ctx, "u")).get(e, "by user name"), b)
	e.same("by router_id R2", try(e.FindDevices(e.ctx, "R2")).get(e, "find"), []acs.Device{a})
	e.same("by user name u2", try(e.DeviceByCPEUsername(e.ctx, "u2")).get(e, "by user name"), a)
}

func (e *env) racingNames() {
	for round := range 10 {
		var (
			wg   sync.WaitGroup
			wins atomic.Int32
			f    = acs.Facts{RouterID: fmt.Sprintf("R-%d", round)}
		)
		for i := range 8 {
			wg.Go(func() {
				id := fmt.Sprintf("cpe-%d-%d", round, i)
				if _, err := e.PutFacts(e.ctx, id, identity(id), f); err == nil {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			e.Fatalf("8 devices racing for a router_id: got %d winners, want 1", wins.Load())
		}
	}
}

func (e *env) reportSeen() {
	for i := range 50 {
		r := acs.Reported{RetryCount: i, LastInform: e.now(), PPPoELogin: fmt.Sprintf("login-%d", i)}
		e.report("A", r)
		e.same("read right after the report", e.readDevice("A").Reported, r)
		if found := try(e.FindDevices(e.ctx, r.PPPoELogin)).get(e, "find"); len(found) != 1 {
			e.Fatalf("find by the login just reported: got %d devices, want 1", len(found))
		}
		e.pass(time.Second)
	}
	e.same("find by a login of before", try(e.FindDevices(e.ctx, "login-7")).get(e, "find"), []acs.Device(nil))
}

func (e *env) learnedTypes() {
	want := func(what, device string, names []string, types map[string]string) {
		e.Helper()
		e.same(what, try(e.LearnedTypes(e.ctx, device, names)).get(e, "learned types"), types)
	}
	names := []string{"Device.A", "Device.B", "Device.C"}
	want("nothing yet", "A", names, map[string]string{})
	e.ok("learn", e.LearnTypes(e.ctx, "A", map[string]string{"Device.A": "xsd:string", "Device.B": "xsd:int"}))
	e.ok("learn", e.LearnTypes(e.ctx, "AA", map[string]string{"Device.A": "xsd:boolean"}))
	want("two of three", "A", names, map[string]string{"Device.A": "xsd:string", "Device.B": "xsd:int"})
	e.ok("learn", e.LearnTypes(e.ctx, "A", map[string]string{"Device.B": "xsd:unsignedInt", "Device.C": "xsd:dateTime"}))
	e.ok("learn nothing", e.LearnTypes(e.ctx, "A", nil))
	want("more, and corrected", "A", names,
		map[string]string{"Device.A": "xsd:string", "Device.B": "xsd:unsignedInt", "Device.C": "xsd:dateTime"})
	want("of one name", "A", names[:1], map[string]string{"Device.A": "xsd:string"})
	want("of no name", "A", nil, map[string]string{})
	want("of another device", "AA", names, map[string]string{"Device.A": "xsd:boolean"})
	want("of a name's beginning", "A", []string{"Device.", "device.a"}, map[string]string{})
	e.ok("report", e.Report(e.ctx, "A", cwmp.DeviceID{}, acs.Reported{}))
	want("after a report", "A", names[:1], map[string]string{"Device.A": "xsd:string"})
}
