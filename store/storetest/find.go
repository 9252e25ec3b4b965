package storetest

import (
	"fmt"
	"slices"

	"recado/acs"
)

var findCases = []testCase{
	{"find/by each name, the first that finds any", (*env).findPrecedence},
	{"find/several of one name", (*env).findSeveral},
	{"find/a MAC in any punctuation and case", (*env).findMAC},
	{"devices/by id, page by page", (*env).pageDevices},
	{"devices/pages stay what they are while devices come", (*env).stableDevices},
	{"devices/search", (*env).searchDevices},
	{"devices/tags", (*env).taggedDevices},
}

func (e *env) wantFound(name string, ids ...string) {
	e.Helper()
	e.same(fmt.Sprintf("find %q", name), sorted(deviceIDs(try(e.FindDevices(e.ctx, name)).get(e, "find"))), ids)
}

func (e *env) findPrecedence() {
	// One name calls more and more of them, each in a way that goes before the ones that were there.
	const name = "112233445566"
	e.wantFound(name)
	e.facts("by-mac", acs.Facts{MAC: name})
	e.report("by-reported-mac", acs.Reported{MAC: "11:22:33:44:55:66"})
	e.wantFound(name, "by-mac", "by-reported-mac")
	e.ok("report", e.Report(e.ctx, "by-serial", identity(name), acs.Reported{}))
	_, err := e.PutFacts(e.ctx, "by-serial-2", identity(name), acs.Facts{})
	e.ok("put facts", err)
	e.wantFound(name, "by-serial", "by-serial-2")
	e.facts("by-login", acs.Facts{PPPoELogin: name})
	e.report("by-reported-login", acs.Reported{PPPoELogin: name})
	e.wantFound(name, "by-login", "by-reported-login")
	e.report(name, acs.Reported{})
	e.wantFound(name, name)
	e.facts("by-router-id", acs.Facts{RouterID: name})
	e.wantFound(name, "by-router-id")

	_, err = e.PutFacts(e.ctx, "by-router-id", identity("x"), acs.Facts{RouterID: "other", Version: 1})
	e.ok("put facts", err)
	e.wantFound(name, name)
	e.wantFound("other", "by-router-id")
	e.wantFound("by-mac", "by-mac")
	e.wantFound("112233445567")
	e.wantFound("11223344556")
}

func (e *env) findSeveral() {
	e.facts("A", acs.Facts{PPPoELogin: "login"})
	e.report("B", acs.Reported{PPPoELogin: "login"})
	e.wantFound("login", "A", "B")
	e.report("A", acs.Reported{PPPoELogin: "login"})
	e.wantFound("login", "A", "B")
	e.report("B", acs.Reported{PPPoELogin: "another"})
	e.wantFound("login", "A")
	e.wantFound("another", "B")

	e.ok("report", e.Report(e.ctx, "C", identity("serial"), acs.Reported{MAC: "000000000001"}))
	_, err := e.PutFacts(e.ctx, "D", identity("serial"), acs.Facts{MAC: "000000000001"})
	e.ok("put facts", err)
	e.wantFound("serial", "C", "D")
	e.wantFound("00-00-00-00-00-01", "C", "D")
	e.wantFound("SERIAL")
	e.facts("serial", acs.Facts{})
	e.wantFound("serial", "serial")
}

func (e *env) findMAC() {
	e.facts("A", acs.Facts{MAC: "00259EABCDEF"})
	e.report("B", acs.Reported{MAC: "00:25:9e:ab:cd:00"})
	for _, mac := range []string{"00259EABCDEF", "00259eabcdef", "00:25:9E:ab:cd:ef", "00-25-9e-AB-CD-EF", "0025.9eab.cdef"} {
		e.wantFound(mac, "A")
	}
	for _, mac := range []string{"00259EABCD00", "00:25:9e:ab:cd:00", "00-25-9E-AB-CD-00"} {
		e.wantFound(mac, "B")
	}
	for _, none := range []string{"00:25:9e:ab:cd", "00:25:9e:ab:cd:ef:00", "00259EABCDEX", ":", "00:00:00:00:00:00"} {
		e.wantFound(none)
	}
	e.report("B", acs.Reported{MAC: "00259E000000"})
	e.wantFound("00259EABCD00")
	e.wantFound("00:25:9E:00:00:00", "B")
}

func (e *env) allDevices(f acs.DeviceFilter, between func()) []acs.Device {
	e.Helper()
	return walkPages(e, fmt.Sprintf("devices by %+v", f), f.Limit, func(cursor string) ([]acs.Device, string, error) {
		f.Cursor = cursor
		return e.Devices(e.ctx, f)
	}, between)
}

func (e *env) pageDevices() {
	var want []acs.Device
	for i := range 11 {
		id := fmt.Sprintf("cpe-%d", (i*7)%11)
		if i%2 == 0 {
			e.report(id, acs.Reported{RetryCount: i})
		}
		if i%3 != 1 {
			e.facts(id, acs.Facts{City: id})
		} else {
			e.report(id, acs.Reported{RetryCount: i})
		}
		want = append(want, e.readDevice(id))
	}
	slices.SortFunc(want, func(a, b acs.Device) int { return compareText(a.ID, b.ID) })
	for _, limit := range []int{1, 3, 10, 11, 12} {
		e.same(fmt.Sprintf("pages of %d", limit), e.allDevices(acs.DeviceFilter{Limit: limit}, nil), want)
	}
	e.same("without a limit", tryAll(e.Devices(e.ctx, acs.DeviceFilter{})).get(e, "devices"), want)
}

func compareText(a, b string) int { return slices.Compare([]byte(a), []byte(b)) }

func (e *env) stableDevices() {
	var want []string
	for i := range 9 {
		id := fmt.Sprintf("cpe-%d", i)
		e.facts(id, acs.Facts{})
		want = append(want, id)
	}
	n := 0
	got := e.allDevices(acs.DeviceFilter{Limit: 2}, func() {
		n++
		e.facts(fmt.Sprintf("a-%d", n), acs.Facts{})
		e.report(fmt.Sprintf("b-%d", n), acs.Reported{})
	})
	e.same("pages while devices came in front", deviceIDs(got), want)
}

func (e *env) searchDevices() {
	e.facts("A", acs.Facts{RouterID: "Rtr-42"})
	e.facts("00259E-Box%2D1-XY77", acs.Facts{})
	e.facts("C", acs.Facts{PPPoELogin: "joao@isp.example"})
	e.report("D", acs.Reported{PPPoELogin: "MARIA@isp.example"})
	e.ok("report", e.Report(e.ctx, "E", identity("48575443ABCD"), acs.Reported{}))
	e.facts("F", acs.Facts{MAC: "AABBCCDDEE01"})
	e.report("G", acs.Reported{MAC: "aa:bb:cc:dd:ee:02"})
	e.facts("H", acs.Facts{City: "Hidden", AccountID: "hidden", PONPort: "hidden", Tags: []string{"hidden"}})
	for search, want := range map[string][]string{
		"rtr-4":             {"A"},
		"box%2d1":           {"00259E-Box%2D1-XY77"},
		"isp.EXAMPLE":       {"C", "D"},
		"maria":             {"D"},
		"5443abc":           {"E"},
		"bbccddee0":         {"F", "G"},
		"BB:CC:DD:EE:01":    {"F"},
		"bb-cc-dd-ee-02":    {"G"},
		"aa:bb:cc:dd:ee:02": {"G"},
		"hidden":            nil,
		"*":                 nil,
		".":                 {"C", "D"},
	} {
		got := tryAll(e.Devices(e.ctx, acs.DeviceFilter{Search: search})).get(e, "search")
		e.same(fmt.Sprintf("search %q", search), deviceIDs(got), want)
		got = e.allDevices(acs.DeviceFilter{Search: search, Limit: 1}, nil)
		e.same(fmt.Sprintf("search %q, page by page", search), deviceIDs(got), want)
	}
}

func (e *env) taggedDevices() {
	e.facts("A", acs.Facts{Tags: []string{"north", "fibre"}})
	e.facts("B", acs.Facts{Tags: []string{"south"}})
	e.facts("C", acs.Facts{})
	e.report("D", acs.Reported{})
	e.facts("EA", acs.Facts{Tags: []string{"fibre"}})
	want := func(f acs.DeviceFilter, ids ...string) {
		e.Helper()
		e.same(fmt.Sprintf("%+v", f), deviceIDs(tryAll(e.Devices(e.ctx, f)).get(e, "devices")), ids)
	}
	want(acs.DeviceFilter{Tags: []string{"fibre"}}, "A", "EA")
	want(acs.DeviceFilter{Tags: []string{"north", "south"}}, "A", "B")
	want(acs.DeviceFilter{Tags: []string{"Fibre", "fib"}})
	want(acs.DeviceFilter{Tags: []string{"fibre"}, Search: "sn"}, "A", "EA")
	want(acs.DeviceFilter{Tags: []string{"fibre"}, Search: "ea"}, "EA")
	_, err := e.PutFacts(e.ctx, "A", identity("SNA"), acs.Facts{Tags: []string{"south"}, Version: 1})
	e.ok("put facts", err)
	want(acs.DeviceFilter{Tags: []string{"fibre"}}, "EA")
	want(acs.DeviceFilter{Tags: []string{"south"}}, "A", "B")
}
