package api_test

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/cwmp"
)

const natural = "/api/v1/devices/views/natural"

// natural asks for a view; pairs are name, value, name, value, …
func (s *server) natural(t testing.TB, token string, pairs ...string) wire.NaturalView {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	one := as[wire.NaturalView](t, s.do(t, "GET", natural+"?"+q.Encode(), token, ""), 200)
	two := as[wire.NaturalView](t, s.do(t, "GET", "/api/v2/devices/views/natural?"+q.Encode(), token, ""), 200)
	if fmt.Sprint(serials(one), one.HasNextPage) != fmt.Sprint(serials(two), two.HasNextPage) {
		t.Errorf("%v: v1 has %v, v2 has %v", pairs, serials(one), serials(two))
	}
	return one
}

func serials(v wire.NaturalView) string {
	var all []string
	for _, r := range v.Registers {
		all = append(all, r.SerialNumber)
	}
	return strings.Join(all, " ")
}

// fleet are five devices: S1 to S4 called in, each an hour later than the one before, S5 never did. S4 and S5 have other tags.
func (s *server) fleet(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	now := time.Now()
	admin, err := s.svc.Authenticate(ctx, s.admin)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 5; i++ {
		id := cwmp.DeviceID{Manufacturer: []string{"Huawei", "ZTE"}[i%2], OUI: "202BC1", ProductClass: "BM632w", SerialNumber: fmt.Sprint("S", i)}
		tags := []string{"north"}
		if i >= 4 {
			tags = []string{"south", "vip"}
		}
		put := acs.DevicePut{Tags: &tags}
		if i == 2 {
			login := "Maria.Silva"
			put.PPPoELogin = &login
		}
		if _, _, err := s.svc.PutDevice(ctx, admin, id.Key(), put); err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			continue
		}
		at := now.Add(time.Duration(i-4) * time.Hour)
		r := acs.Reported{FirstInform: now.Add(-time.Duration(i) * 24 * time.Hour), LastInform: at, SoftwareVersion: fmt.Sprint("V", i), HardwareVersion: "HW"}
		switch i {
		case 1:
			r.PPPoELogin = "joao"
		case 3:
			r.Uptime, r.UptimeAt, r.LastBoot = 100*time.Second, at, at.Add(-time.Hour)
		case 4:
			r.Uptime, r.UptimeAt, r.LastBoot = 100*time.Second, at.Add(-time.Hour), at.Add(-time.Minute)
		}
		if err := s.store.Report(ctx, id.Key(), id, r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNaturalView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.fleet(t)
		for _, c := range []struct {
			name, want string
			more       bool
			query      []string
		}{
			{"all", "S1 S2 S3 S4 S5", false, nil},
			{"empty parameters", "S1 S2 S3 S4 S5", false, []string{"pagination[pageSize]", "", "search[search]", "", "search[column]", "", "sorting[sortBy]", "", "sorting[sortOrder]", ""}},
			{"the first page", "S1 S2", true, []string{"pagination[pageSize]", "2", "pagination[currentPage]", "1"}},
			{"the first page, counted from 0", "S1 S2", true, []string{"pagination[pageSize]", "2", "pagination[currentPage]", "0"}},
			{"the second", "S3 S4", true, []string{"pagination[pageSize]", "2", "pagination[currentPage]", "2"}},
			{"the last", "S5", false, []string{"pagination[pageSize]", "2", "pagination[currentPage]", "3"}},
			{"one that ends at the end", "S1 S2 S3 S4 S5", false, []string{"pagination[pageSize]", "5"}},
			{"beyond", "", false, []string{"pagination[pageSize]", "1000", "pagination[currentPage]", "1000000"}},
			{"backwards", "S5 S4 S3 S2 S1", false, []string{"sorting[sortBy]", "serialNumber", "sorting[sortOrder]", "desc"}},
			{"by the last Inform", "S5 S1 S2 S3 S4", false, []string{"sorting[sortBy]", "lastInform", "sorting[sortOrder]", "ASC"}},
			{"the newest first", "S4 S3", true, []string{"sorting[sortBy]", "lastInform", "sorting[sortOrder]", "DESC", "pagination[pageSize]", "2"}},
			{"by when they were first heard of", "S4 S3 S2 S1 S5", false, []string{"sorting[sortBy]", "created"}},
			{"search in a column", "S2", false, []string{"search[column]", "connection.pppoeLogin", "search[search]", "SILVA"}},
			{"search everywhere", "S2 S4", false, []string{"search[search]", "huawei"}},
			{"search for nothing there", "", false, []string{"search[search]", "nobody"}},
			{"online", "S4", false, []string{"filters[0][0][type]", "boolean", "filters[0][0][accessor]", "status", "filters[0][0][operator]", "equal", "filters[0][0][value]", "true"}},
			{"offline", "S1 S2 S3 S5", false, []string{"filters[0][0][accessor]", "status", "filters[0][0][value]", "0"}},
			{"like", "S1 S2 S3 S4", false, []string{"filters[0][0][type]", "string", "filters[0][0][accessor]", "deviceInfo.softwareVersion", "filters[0][0][operator]", "like", "filters[0][0][value]", "%v%"}},
			{"equal is the whole text", "", false, []string{"filters[0][0][accessor]", "deviceInfo.softwareVersion", "filters[0][0][value]", "V"}},
			{"equal, in any case", "S3", false, []string{"filters[0][0][accessor]", "deviceInfo.softwareVersion", "filters[0][0][value]", "v3"}},
			{"one or the other", "S1 S3", false, []string{
				"filters[0][0][accessor]", "serialNumber", "filters[0][0][value]", "S1", "filters[0][1][accessor]", "serialNumber", "filters[0][1][value]", "S3",
			}},
			{"one and the other", "S4", false, []string{
				"filters[0][0][accessor]", "deviceInfo.manufacturer", "filters[0][0][value]", "Huawei",
				"filters[1][0][accessor]", "status", "filters[1][0][value]", "true",
			}},
			{"search and filter", "S2", false, []string{"search[search]", "huawei", "filters[3][7][accessor]", "status", "filters[3][7][value]", "false"}},
		} {
			got := s.natural(t, s.admin, c.query...)
			if serials(got) != c.want || got.HasNextPage != c.more {
				t.Errorf("%s: got %q, more %v; want %q, %v", c.name, serials(got), got.HasNextPage, c.want, c.more)
			}
		}
	})
}

func TestNaturalRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.fleet(t)
		time.Sleep(10 * time.Second)
		for _, c := range []string{
			`{"serialNumber":"S2","status":false,"lastInform":"1999-12-31T22:00:00.000Z","connection":{"pppoeLogin":"Maria.Silva"},` +
				`"deviceInfo":{"manufacturer":"Huawei","modelName":"BM632w","hardwareVersion":"HW","softwareVersion":"V2","uptime":null,"rx":null,"tx":null}}`,
			`{"serialNumber":"S3","status":false,"lastInform":"1999-12-31T23:00:00.000Z","connection":{"pppoeLogin":null},` +
				`"deviceInfo":{"manufacturer":"ZTE","modelName":"BM632w","hardwareVersion":"HW","softwareVersion":"V3","uptime":3710,"rx":null,"tx":null}}`,
			`{"serialNumber":"S4","status":true,"lastInform":"2000-01-01T00:00:00.000Z","connection":{"pppoeLogin":null},` +
				`"deviceInfo":{"manufacturer":"Huawei","modelName":"BM632w","hardwareVersion":"HW","softwareVersion":"V4","uptime":70,"rx":null,"tx":null}}`,
			`{"serialNumber":"S5","status":false,"lastInform":null,"connection":{"pppoeLogin":null},` +
				`"deviceInfo":{"manufacturer":null,"modelName":"BM632w","hardwareVersion":null,"softwareVersion":null,"uptime":null,"rx":null,"tx":null}}`,
		} {
			if r := s.do(t, "GET", natural, s.admin, ""); !strings.Contains(string(r.body), c) {
				t.Errorf("got %s, want %s in it", r.body, c)
			}
		}
	})
}

func TestNaturalViewOfAClientWithTags(t *testing.T) {
	s := newServer(t)
	s.fleet(t)
	for tags, want := range map[string]string{"north": "S1 S2 S3", "vip": "S4 S5", "west": "", "north,vip": "S1 S2 S3 S4 S5"} {
		made, err := s.svc.CreateClient(t.Context(), acs.NewClient{Name: tags, Tags: strings.Split(tags, ",")})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.natural(t, made.Token); serials(got) != want {
			t.Errorf("%s: got %q, want %q", tags, serials(got), want)
		}
		if got := s.natural(t, made.Token, "pagination[pageSize]", "1", "sorting[sortOrder]", "desc"); got.HasNextPage != (len(want) > 2) {
			t.Errorf("%s: more is %v", tags, got.HasNextPage)
		}
	}
}

func TestNaturalQueryIsChecked(t *testing.T) {
	s := newServer(t)
	many := "x=1"
	for i := range 21 {
		many += fmt.Sprintf("&filters[%d][0][accessor]=status&filters[%d][0][value]=true", i, i)
	}
	for query, field := range map[string]string{
		"pagination[pageSize]=0":                              "pagination[pageSize]",
		"pagination[pageSize]=1001":                           "pagination[pageSize]",
		"pagination[pageSize]=ten":                            "pagination[pageSize]",
		"pagination[currentPage]=-1":                          "pagination[currentPage]",
		"pagination[currentPage]=1000001":                     "pagination[currentPage]",
		"pagination[currentPage]=1&pagination[currentPage]=2": "pagination[currentPage]",
		"sorting[sortBy]=uptime":                              "sorting[sortBy]",
		"sorting[sortOrder]=up":                               "sorting[sortOrder]",
		"search[column]=status&search[search]=x":              "search[column]",
		"search[search]=%ff":                                  "search[search]",
		"search[search]=" + strings.Repeat("x", 257):          "search[search]",
		"page=1":                             "page",
		"filters[0][0][value]=x":             "filters[0][0][accessor]",
		"filters[0][0][accessor]=lastInform": "filters[0][0][accessor]",
		"filters[0][0][accessor]=status&filters[0][0][value]=yes":            "filters[0][0][value]",
		"filters[0][0][accessor]=status&filters[0][0][type]=string":          "filters[0][0]",
		"filters[0][0][accessor]=status&filters[0][0][operator]=like":        "filters[0][0]",
		"filters[0][0][accessor]=serialNumber&filters[0][0][type]=boolean":   "filters[0][0][type]",
		"filters[0][0][accessor]=serialNumber&filters[0][0][type]=number":    "filters[0][0][type]",
		"filters[0][0][accessor]=serialNumber&filters[0][0][operator]=above": "filters[0][0][operator]",
		"filters[0][accessor]=status":                                        "filters[0][accessor]",
		"filters[9999][0][accessor]=status":                                  "filters[9999][0][accessor]",
		strings.TrimPrefix(many, "x=1&"):                                     "filters",
		"%zz":                                                                "query",
	} {
		r := s.raw("GET", natural+"?"+query, s.admin, "")
		if p := r.problem(t, 400, wire.CodeInvalidRequest); p.Field != field {
			t.Errorf("%s: field %q, want %q", clipTest(query), p.Field, field)
		}
	}
}

func clipTest(s string) string { return s[:min(len(s), 80)] }

// many is an acs.Devices of so many devices that it counts how often it is looked through.
type many struct {
	*acs.Service
	n, scans int
	pace     time.Duration // of a thousand
}

func (m *many) Devices(_ context.Context, _ acs.Client, f acs.DeviceFilter) ([]acs.Device, string, error) {
	from := 0
	if f.Cursor != "" {
		_, _ = fmt.Sscan(f.Cursor, &from)
	} else {
		m.scans++
	}
	var page []acs.Device
	for i := from; i < min(m.n, from+f.Limit); i++ {
		page = append(page, m.device(i))
	}
	time.Sleep(m.pace)
	if from+f.Limit >= m.n {
		return page, "", nil
	}
	return page, fmt.Sprint(from + f.Limit), nil
}

func (m *many) device(i int) acs.Device {
	// The serials go down as the ids go up.
	id := cwmp.DeviceID{Manufacturer: "Huawei", OUI: "202BC1", ProductClass: "BM632w", SerialNumber: fmt.Sprintf("%08d", m.n-i)}
	return acs.Device{ID: fmt.Sprintf("d%08d", i), Identity: id, Reported: acs.Reported{SoftwareVersion: "V1"}}
}

func (m *many) Device(_ context.Context, _ acs.Client, id string) (acs.Device, []acs.Action, error) {
	i := 0
	if _, err := fmt.Sscanf(id, "d%d", &i); err != nil || i == m.n-1 {
		return acs.Device{}, nil, acs.ErrNotFound // the last one is taken away meanwhile
	}
	return m.device(i), nil, nil
}

// TestNaturalListIsKept: with many devices a look at all of them serves for ten times as long as it took, with few it serves once.
func TestNaturalListIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			n           int
			pace, after time.Duration
			scans       int
		}{
			{1000, time.Second, 0, 2},
			{5000, 10 * time.Millisecond, 499 * time.Millisecond, 1},
			{5000, 10 * time.Millisecond, 500 * time.Millisecond, 2},
			{2000, 10 * time.Second, 59 * time.Second, 1},
			{2000, 10 * time.Second, time.Minute, 2},
		} {
			m := &many{n: c.n, pace: c.pace}
			s := newServer(t, func(cfg *api.Config) {
				m.Service = cfg.Devices.(*acs.Service)
				cfg.Devices = m
			})
			as[wire.NaturalView](t, s.raw("GET", natural+"?pagination[pageSize]=2", s.admin, ""), 200)
			time.Sleep(c.after)
			got := s.raw("GET", natural+"?pagination[pageSize]=2&sorting[sortOrder]=desc", s.admin, "")
			view := as[wire.NaturalView](t, got, 200)
			if want := fmt.Sprintf("%08d %08d", c.n, c.n-1); m.scans != c.scans || serials(view) != want {
				t.Errorf("%d devices, after %v: got %d scans and %q, want %d and %q", c.n, c.after, m.scans, serials(view), c.scans, want)
			}
			time.Sleep(2 * time.Minute) // the list is dropped
			view = as[wire.NaturalView](t, s.raw("GET", natural+"?pagination[pageSize]=2", s.admin, ""), 200)
			if serials(view) != "00000002" || !view.HasNextPage {
				t.Errorf("%d devices, one gone: got %q, want the other one, and more", c.n, serials(view))
			}
		}
	})
}

func TestNaturalListServesThoseWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &many{n: 900, pace: 10 * time.Millisecond}
		s := newServer(t, func(cfg *api.Config) {
			m.Service = cfg.Devices.(*acs.Service)
			cfg.Devices = m
		})
		done := make(chan int)
		for range 50 {
			go func() { done <- s.raw("GET", natural, s.admin, "").code }()
			time.Sleep(time.Millisecond / 10)
		}
		var codes []int
		for range 50 {
			codes = append(codes, <-done)
		}
		if slices.Max(codes) != 200 || m.scans > 3 {
			t.Errorf("got codes to %d and %d scans, want 200 and no more than 3", slices.Max(codes), m.scans)
		}
	})
}

// BenchmarkNaturalView pages through 100,000 devices with a list at hand; ns/op is one page.
func BenchmarkNaturalView(b *testing.B) {
	m := &many{n: 100_000, pace: 10 * time.Millisecond}
	s := newServer(b, func(cfg *api.Config) {
		m.Service = cfg.Devices.(*acs.Service)
		cfg.Devices = m
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s.raw("GET", natural, s.admin, "")
	runtime.GC()
	runtime.ReadMemStats(&after)
	i := 0
	for b.Loop() {
		i++
		q := fmt.Sprintf("?pagination[pageSize]=100&pagination[currentPage]=%d&filters[0][0][accessor]=deviceInfo.manufacturer&filters[0][0][value]=huawei", i%1000+1)
		if r := s.raw("GET", natural+q, s.admin, ""); r.code != 200 {
			b.Fatal(r.code)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB/list")
}
