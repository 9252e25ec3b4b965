package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cwmp/cwmptest"
)

var (
	crashKills = flag.Int("crash.kills", 20, "how often the crash test kills the server")
	crashSeed  = flag.Uint64("crash.seed", 0, "seed of the crash test's choices; 0 draws one")
)

// TestCrash kills the real program at random moments while API clients ask, devices call and receivers fail, and again while
// deadlines pass. At the end all that was accepted has to be told as the product promises. The choices follow from the seed; what the
// machine makes of them differs from run to run, and so this test waits in real time.
func TestCrash(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to draw the same again: -crash.seed=%d -crash.kills=%d", seed, *crashKills)
	began := time.Now()
	c := &crash{t: t, rng: rand.New(rand.NewPCG(seed, 0xc4a54)), load: newCrashLoad(t, seed)}
	c.server = newCrashServer(t, c.rng)
	c.server.start()
	c.server.ready()
	c.load.register("http://" + c.server.api)
	c.load.startDevices("http://" + c.server.cwmp + "/")
	runs(t, "watcher", c.load.watch)

	first := time.Now()
	endLoad := c.load.ask()
	t.Cleanup(endLoad)            // where the test ends before its time
	late := max(1, *crashKills/5) // of the kills, while deadlines pass
	for range *crashKills - late {
		c.kill(100*time.Millisecond, 800*time.Millisecond)
	}
	endLoad()
	c.load.heal()
	c.passDeadlines(first, late)
	h := c.end()
	for _, v := range h.violations() {
		t.Error(v)
	}
	c.report(h, time.Since(began))
}

// crash is a run of the test.
type crash struct {
	t      *testing.T
	rng    *rand.Rand
	server *crashServer
	load   *crashLoad
	kills  int
	early  int // of the kills, while the program started
}

// kill lets the server work for a while between least and most, kills it and starts it again; one time in five it dies once more
// before it is up.
func (c *crash) kill(least, most time.Duration) {
	c.t.Helper()
	c.sleep(least + time.Duration(c.rng.Int64N(int64(most-least))))
	c.server.kill()
	c.kills++
	c.server.start()
	if c.rng.IntN(5) == 0 {
		c.sleep(time.Duration(c.rng.IntN(80)) * time.Millisecond)
		c.server.kill()
		c.early++
		c.server.start()
	}
	c.server.ready()
}

func (c *crash) sleep(d time.Duration) {
	c.t.Helper()
	if err := pause(c.t.Context(), d); err != nil {
		c.t.Fatal(err)
	}
}

// passDeadlines waits for all deadlines, with kills while they pass, brings lost devices back, and waits until nothing is open.
func (c *crash) passDeadlines(first time.Time, kills int) {
	c.t.Helper()
	window := time.Since(first)
	c.sleep(time.Until(first.Add(crashTimeout * time.Second)))
	for range kills {
		c.kill(0, 2*window/time.Duration(kills+1))
	}
	c.until(20*time.Second+window, "every accepted protocolo is final", func(ctx context.Context, api *client.Client) (bool, error) {
		open, err := api.Protocols(ctx, client.ProtocolFilter{Statuses: []string{"pending"}, Page: client.Page{Limit: 1}})
		return len(open.Items) == 0, err
	})
	c.bringBack()
	c.until(30*time.Second, "every delivery is settled", func(ctx context.Context, api *client.Client) (bool, error) {
		open, err := api.Deliveries(ctx, client.DeliveryFilter{States: []string{"pending"}, Page: client.Page{Limit: 1}})
		return len(open.Items) == 0, err
	})
}

// bringBack gives power to the devices that never came back from their reboots; they tell of them late.
func (c *crash) bringBack() {
	c.t.Helper()
	sessions := map[*cwmptest.Device]int{}
	for i := range crashDevices {
		if d := c.load.fleet.Device(i); neverBack(i) {
			d.SetMishaps(cwmptest.Mishaps{})
			sessions[d] = d.Sessions().Ended
			d.PowerCycle()
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for d, n := range sessions {
		for d.Sessions().Ended == n {
			if pause(ctx, 20*time.Millisecond) != nil {
				c.t.Fatalf("device %s did not call in for 20s after its power came back", d.ID().Key())
			}
		}
	}
	c.kill(0, time.Millisecond) // late results have just been told to the store, or are about to be
}

// until waits until ok holds for all clients.
func (c *crash) until(atMost time.Duration, what string, ok func(context.Context, *client.Client) (bool, error)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), atMost)
	defer cancel()
	for _, cl := range c.load.clients {
		for {
			done, err := ok(ctx, cl.api)
			if done && err == nil {
				break
			}
			if pause(ctx, 100*time.Millisecond) != nil {
				c.t.Errorf("not so within %s: %s (%v)", atMost, what, err)
				return
			}
		}
	}
}

// end gathers the history and ends the server.
func (c *crash) end() *crashHistory {
	c.t.Helper()
	h := &crashHistory{
		kills: c.kills + c.early, docs: map[string]wire.Protocol{}, endpoints: map[string][]string{}, boots: map[string][]cwmptest.Boot{},
	}
	for _, cl := range c.load.clients {
		h.endpoints[cl.id] = cl.endpoints
		list, err := c.load.list(c.t.Context(), cl)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, p := range list {
			h.listed = append(h.listed, p.Protocolo)
		}
		for _, r := range c.load.receipts {
			if r.client != cl.id {
				continue
			}
			doc, err := cl.api.Protocol(c.t.Context(), r.protocolo)
			if client.Code(err) == wire.CodeNotFound {
				continue
			}
			if err != nil {
				c.t.Fatal(err)
			}
			h.docs[r.protocolo] = doc
		}
	}
	c.server.stop()
	c.server.verifyAudit()
	for i := range crashDevices {
		d := c.load.fleet.Device(i)
		h.boots[c.load.ids[i]] = d.Boots()
		for _, r := range d.Reboots() {
			h.obeyed = append(h.obeyed, obeyedReboot{c.load.ids[i], r.CommandKey})
		}
	}
	h.stored = storedActions(c.t, c.server.dump())
	h.leaks = leaks(c.t, c.server.dir, c.load.marker)
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	h.receipts, h.told, h.finals = c.load.receipts, c.load.told, c.load.finals
	return h
}

// storedActions reads a dump.
func storedActions(t *testing.T, dump []byte) map[string]storedAction {
	t.Helper()
	stored := map[string]storedAction{}
	for line := range bytes.Lines(dump) {
		var r struct {
			Bucket, Key string
			Value       json.RawMessage
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("recado dump: a line is no JSON: %v", err)
		}
		if r.Bucket != "act" {
			continue
		}
		var v struct {
			A struct {
				Status     string
				Parameters []struct{ Value string }
			}
			Sealed string
		}
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Fatalf("recado dump: action %s: %v", r.Key, err)
		}
		s := storedAction{status: v.A.Status, hasValues: v.Sealed != ""}
		for _, p := range v.A.Parameters {
			s.hasValues = s.hasValues || p.Value != ""
		}
		stored[r.Key] = s
	}
	return stored
}

// leaks names the files in dir, the store's and the log, that hold the marker: as it is, in hex or in base64.
func leaks(t *testing.T, dir, marker string) []string {
	t.Helper()
	needles := [][]byte{[]byte(marker), []byte(hex.EncodeToString([]byte(marker)))}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), marker...))
		needles = append(needles, []byte(text[4*((shift+2)/3):len(text)/4*4-4])) // what does not depend on its neighbours
	}
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, n := range needles {
			if bytes.Contains(text, n) {
				found = append(found, fmt.Sprintf("%s (as %q)", d.Name(), n))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// report says what happened, and fails where it was too little to prove anything.
func (c *crash) report(h *crashHistory, took time.Duration) {
	c.t.Helper()
	counts, late, distinct := map[string]int{}, 0, map[string]bool{}
	for _, d := range h.docs {
		counts[d.Status]++
		if d.Late != nil {
			late++
		}
	}
	taken := 0
	for _, w := range h.told {
		if w.taken {
			taken++
			distinct[w.endpoint+w.id] = true
		}
	}
	text := c.server.log()
	for _, bad := range []string{"panic:", "DATA RACE", "fatal error:"} {
		if at := bytes.Index(text, []byte(bad)); at >= 0 {
			c.t.Errorf("the server's log says %s\n%s", bad, text[at:min(len(text), at+4000)])
		}
	}
	c.t.Logf("%d kills, %d of them at start-up; slowest start %s; %d accepted (%d by a retry, %d refused for a full queue): %v, %d late results",
		h.kills, c.early, c.server.slowestStart.Round(time.Millisecond), len(h.docs), c.load.retried, c.load.dropped, counts, late)
	for message, n := range errorsLogged(text) {
		c.t.Logf("error logged %d times: %s", n, message)
	}
	c.t.Logf("%d reboots at devices; %d webhooks came, %d were taken, %d of these again; %s in all",
		len(h.obeyed), len(h.told), taken, taken-len(distinct), took.Round(time.Second))
	if len(h.docs) < 20 || counts["success"] == 0 || counts["failure"] == 0 || counts["timeout"] == 0 || late == 0 || len(h.obeyed) == 0 {
		c.t.Error("too little happened to prove anything")
	}
}

// errorsLogged counts the errors in a log by their messages.
func errorsLogged(text []byte) map[string]int {
	counts := map[string]int{}
	for line := range bytes.Lines(text) {
		var l struct{ Level, Msg, Error string }
		if json.Unmarshal(line, &l) == nil && l.Level == "ERROR" {
			counts[l.Msg+": "+l.Error]++
		}
	}
	return counts
}
