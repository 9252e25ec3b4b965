package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/webhook/webhooktest"
)

// Each benchmark is one measurement of a fixed load: run them with -benchtime=1x, as make bench does. What stands beside a figure was
// measured in the same run.

func inParallel(workers, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wg.Wait()
}

func percentile(ds []time.Duration, p float64) time.Duration {
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(float64(len(ds))*p))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// caller is an API client that keeps its connections.
type caller struct {
	b   *testing.B
	url string
	hc  *http.Client
}

func newCaller(b *testing.B, url string, workers int) *caller {
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}}
	b.Cleanup(hc.CloseIdleConnections)
	return &caller{b: b, url: url, hc: hc}
}

func (c *caller) call(method, path string, in, out any) {
	body, err := json.Marshal(in)
	if err != nil {
		c.b.Fatal(err)
	}
	r, err := http.NewRequest(method, c.url+path, bytes.NewReader(body))
	if err != nil {
		c.b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := c.hc.Do(r)
	if err != nil {
		c.b.Error(err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		c.b.Errorf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			c.b.Error(err)
		}
	}
}

func boltURL(b *testing.B) string { return "bolt://" + filepath.Join(b.TempDir(), "recado.db") }

func deviceName(i int) string { return fmt.Sprintf("00259E-HG8245H-%08d", i) }

// BenchmarkAccepted: requests for a reboot, accepted durably over the API, beside the raw group commit of as many writers.
func BenchmarkAccepted(b *testing.B) {
	for _, workers := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("clients=%d", workers), func(b *testing.B) {
			n := min(20_000, 1000*workers)
			const devices = 1000
			p := startProcess(b, "app", boltURL(b))
			c := newCaller(b, p.APIURL, workers)
			inParallel(32, devices, func(i int) { c.call(http.MethodPut, "/api/v1/devices/"+deviceName(i), wire.DevicePut{}, nil) })
			took := make([]time.Duration, n)
			cpu, begun := p.cpu(), time.Now()
			inParallel(workers, n, func(i int) {
				at := time.Now()
				c.call(http.MethodPost, "/api/v1/devices/reboot", wire.RebootRequest{RouterID: deviceName(i % devices)}, nil)
				took[i] = time.Since(at)
			})
			rate := float64(n) / time.Since(begun).Seconds()
			used := p.cpu() - cpu
			raw := rawGroupCommit(b, workers, 20*n)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rate, "accepted/s")
			b.ReportMetric(raw, "raw-records/s")
			b.ReportMetric(rate/raw, "of-raw")
			b.ReportMetric(ms(percentile(took, .5)), "p50-ms")
			b.ReportMetric(ms(percentile(took, .99)), "p99-ms")
			b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-us/request")
		})
	}
}

const informRequest = `<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-0"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">17</cwmp:ID></soap-env:Header><soap-env:Body><cwmp:Inform><DeviceId><Manufacturer>ACME</Manufacturer><OUI>00259E</OUI><ProductClass>HG8245H</ProductClass><SerialNumber>%08d</SerialNumber></DeviceId><Event soap-enc:arrayType="cwmp:EventStruct[1]"><EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey></CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-11-21T10:00:00Z</CurrentTime><RetryCount>0</RetryCount><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[8]"><ParameterValueStruct><Name>InternetGatewayDevice.DeviceSummary</Name><Value xsi:type="xsd:string">InternetGatewayDevice:1.1[](Baseline:1)</Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.DeviceInfo.SpecVersion</Name><Value xsi:type="xsd:string">1.0</Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.DeviceInfo.HardwareVersion</Name><Value xsi:type="xsd:string">V5.2</Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.DeviceInfo.SoftwareVersion</Name><Value xsi:type="xsd:string">V3R017C10S115</Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.DeviceInfo.ProvisioningCode</Name><Value xsi:type="xsd:string"></Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.ManagementServer.ParameterKey</Name><Value xsi:type="xsd:string"></Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.ManagementServer.ConnectionRequestURL</Name><Value xsi:type="xsd:string">http://127.0.0.1:9/%08d</Value></ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress</Name><Value xsi:type="xsd:string">192.0.2.7</Value></ParameterValueStruct></ParameterList></cwmp:Inform></soap-env:Body></soap-env:Envelope>`

const informResponse = `<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-0"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">17</cwmp:ID></soap-env:Header><soap-env:Body><cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse></soap-env:Body></soap-env:Envelope>`

// informs runs n sessions without work against url, each of the next of so many devices.
func informs(b *testing.B, url string, workers, n, devices int) (rate float64) {
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}}
	defer hc.CloseIdleConnections()
	post := func(body, cookie string) *http.Response {
		r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
		if err != nil {
			b.Fatal(err)
		}
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		res, err := hc.Do(r)
		if err != nil {
			b.Error(err)
			return nil
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res
	}
	begun := time.Now()
	inParallel(workers, n, func(i int) {
		res := post(fmt.Sprintf(informRequest, i%devices, i%devices), "")
		if res == nil || res.StatusCode != http.StatusOK || len(res.Cookies()) == 0 {
			b.Errorf("inform: got %+v", res)
			return
		}
		if res = post("", res.Cookies()[0].Name+"="+res.Cookies()[0].Value); res == nil || res.StatusCode != http.StatusNoContent {
			b.Errorf("empty post: got %+v", res)
		}
	})
	return float64(n) / time.Since(begun).Seconds()
}

// BenchmarkInform: sessions of a periodic Inform without work, beside a bare net/http server that answers the same exchange with fixed
// bytes. The CPU is the server process's alone. The goal is at most 4 times the bare server's.
func BenchmarkInform(b *testing.B) {
	const workers, n, devices = 16, 20_000, 5_000
	run := func(mode, store string) (rate, cpu float64) {
		p := startProcess(b, mode, store)
		informs(b, p.CWMPURL, workers, devices, devices) // first contact, and warm
		before := p.cpu()
		rate = informs(b, p.CWMPURL, workers, n, devices)
		return rate, float64((p.cpu() - before).Microseconds()) / n
	}
	bareRate, bareCPU := run("bare", "")
	rate, cpu := run("app", boltURL(b))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate, "sessions/s")
	b.ReportMetric(bareRate, "bare-sessions/s")
	b.ReportMetric(cpu, "cpu-us/session")
	b.ReportMetric(bareCPU, "bare-cpu-us/session")
	b.ReportMetric(cpu/bareCPU, "cpu-of-bare")
}

// hooks counts the endpoints registered by hook.
var hooks atomic.Int32

// hook registers an endpoint at a receiver of this process. Each is at a host of its own, for the attempts at one host are bounded.
func (c *caller) hook(r *webhooktest.Receiver, in wire.WebhookCreate) wire.WebhookCreated {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:0", 1+hooks.Add(1)%250))
	if err != nil {
		c.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	c.b.Cleanup(func() { cancel(); <-done })
	in.URL = "http://" + l.Addr().String() + "/hook"
	var made wire.WebhookCreated
	c.call(http.MethodPost, "/api/v1/webhooks", in, &made)
	return made
}

// BenchmarkDelivery: a backlog of events at ten endpoints, delivered by a server in a process of its own. Goals: at most 0.5 ms CPU a
// delivery, store included, and 1,500 a second.
func BenchmarkDelivery(b *testing.B) {
	const events, endpoints, devices = 1000, 10, 1000
	const n = events * endpoints
	p := startProcess(b, "app", boltURL(b))
	c := newCaller(b, p.APIURL, 32)
	inParallel(32, devices, func(i int) { c.call(http.MethodPut, "/api/v1/devices/"+deviceName(i), wire.DevicePut{}, nil) })
	r := &webhooktest.Receiver{Keep: 1}
	active, inactive := true, false
	var ids []string
	for range endpoints {
		made := c.hook(r, wire.WebhookCreate{Events: []string{wire.ActionCancelled}, Active: &inactive, Concurrency: 16})
		ids = append(ids, made.ID)
	}
	inParallel(64, events, func(i int) {
		var rc wire.Receipt
		c.call(http.MethodPost, "/api/v1/devices/reboot", wire.RebootRequest{RouterID: deviceName(i % devices)}, &rc)
		c.call(http.MethodPost, "/api/v1/protocols/"+rc.Protocolo+"/cancel", struct{}{}, nil)
	})
	cpu, begun := p.cpu(), time.Now()
	for _, id := range ids {
		c.call(http.MethodPatch, "/api/v1/webhooks/"+id, wire.WebhookChange{Active: &active}, nil)
	}
	for r.Total() < n && time.Since(begun) < time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(begun)
	used := p.cpu() - cpu
	if r.Total() != n {
		b.Errorf("delivered %d of %d", r.Total(), n)
	}
	rate := float64(n) / took.Seconds()
	floor := postFloor(b, n)
	now, peak := p.rss()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate, "deliveries/s")
	b.ReportMetric(floor, "floor-posts/s")
	b.ReportMetric(rate/floor, "of-floor")
	b.ReportMetric(ms(used)/n, "cpu-ms/delivery")
	b.ReportMetric(now, "rss-MiB")
	b.ReportMetric(peak, "peak-rss-MiB")
}

// postFloor posts n times to a receiver like the one measured: what the machine allows without a queue or a store.
func postFloor(b *testing.B, n int) float64 {
	r := &webhooktest.Receiver{Keep: 1}
	l := benchListener(b)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, MaxConnsPerHost: 16}}
	defer hc.CloseIdleConnections()
	body := bytes.Repeat([]byte("x"), 700)
	begun := time.Now()
	inParallel(16, n, func(int) {
		res, err := hc.Post("http://"+l.Addr().String(), "application/json", bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		res.Body.Close()
	})
	return float64(n) / time.Since(begun).Seconds()
}

// lags sends test events at a steady rate and gives how long each took from its making to its arrival.
func (c *caller) lags(r *webhooktest.Receiver, id string, perSecond int, length time.Duration) []time.Duration {
	n := int(length.Seconds() * float64(perSecond))
	before := r.Total()
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
		wg.Go(func() { c.call(http.MethodPost, "/api/v1/webhooks/"+id+"/test", struct{}{}, nil) })
	}
	wg.Wait()
	for r.Total() < before+n && time.Since(begun) < length+2*time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	var out []time.Duration
	for _, a := range r.Arrivals() {
		var e struct {
			Timestamp wire.Time `json:"timestamp"`
		}
		if err := json.Unmarshal(a.Body, &e); err != nil {
			c.b.Error(err)
			continue
		}
		out = append(out, max(0, a.At.Sub(time.Time(e.Timestamp))))
	}
	if len(out) < n {
		c.b.Errorf("arrived %d of %d", len(out), n)
	}
	return out
}

// BenchmarkLag: events at 100 a second. Goal: p99 at most 100 ms.
func BenchmarkLag(b *testing.B) {
	p := startProcess(b, "app", boltURL(b))
	c := newCaller(b, p.APIURL, 32)
	r := &webhooktest.Receiver{}
	made := c.hook(r, wire.WebhookCreate{})
	lags := c.lags(r, made.ID, 100, 10*time.Second)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(percentile(lags, .5)), "p50-ms")
	b.ReportMetric(ms(percentile(lags, .99)), "p99-ms")
}

// BenchmarkSlowNeighbour: an endpoint that hangs with 1,500 events queued, and beside it 10 a second for a fast one. Goal: the fast one's
// p99 at most 1 s.
func BenchmarkSlowNeighbour(b *testing.B) {
	p := startProcess(b, "app", boltURL(b))
	c := newCaller(b, p.APIURL, 32)
	slow := &webhooktest.Receiver{Keep: 1, Default: webhooktest.Hang()}
	hung := c.hook(slow, wire.WebhookCreate{TimeoutSeconds: 5})
	inParallel(32, 1500, func(int) { c.call(http.MethodPost, "/api/v1/webhooks/"+hung.ID+"/test", struct{}{}, nil) })
	r := &webhooktest.Receiver{}
	made := c.hook(r, wire.WebhookCreate{})
	lags := c.lags(r, made.ID, 10, 15*time.Second)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(percentile(lags, .5)), "p50-ms")
	b.ReportMetric(ms(percentile(lags, .99)), "p99-ms")
	b.ReportMetric(float64(slow.Total()), "hung-attempts")
}

// BenchmarkMemory: 100,000 devices that called in, and 10,000 open actions. Goal: at most 200 MiB resident.
func BenchmarkMemory(b *testing.B) {
	const devices, actions = 100_000, 10_000
	p := startProcess(b, "app", boltURL(b))
	informs(b, p.CWMPURL, 16, devices, devices)
	c := newCaller(b, p.APIURL, 32)
	inParallel(32, actions, func(i int) {
		c.call(http.MethodPost, "/api/v1/devices/reboot", wire.RebootRequest{RouterID: deviceName(i)}, nil)
	})
	time.Sleep(5 * time.Second) // the device file's flush
	now, peak := p.rss()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(now, "rss-MiB")
	b.ReportMetric(peak, "peak-rss-MiB")
}
