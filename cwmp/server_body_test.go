package cwmp_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

func compressed(t testing.TB, encoding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestServerBodies(t *testing.T) {
	inform := informOf(t, "A")
	chunks := fmt.Sprintf("%x\r\n%s\r\n%x;ext=1\r\n%s\r\n0\r\n\r\n", 100, inform[:100], len(inform)-100, inform[100:])
	huge := strings.Repeat(" ", 3<<20)
	for name, tc := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"plain":                  {inform, nil, 200},
		"odd types":              {inform, []string{"Content-Type: text/html", "Soapaction: cwmp:Inform"}, 200},
		"identity":               {inform, []string{"Content-Encoding: identity"}, 200},
		"chunked":                {chunks, []string{"Transfer-Encoding: chunked"}, 200},
		"gzip":                   {compressed(t, "gzip", inform), []string{"Content-Encoding: gzip"}, 200},
		"x-gzip":                 {compressed(t, "gzip", inform), []string{"Content-Encoding: X-GZIP"}, 200},
		"deflate":                {compressed(t, "zlib", inform), []string{"Content-Encoding: deflate"}, 200},
		"deflate without header": {compressed(t, "flate", inform), []string{"Content-Encoding: deflate"}, 200},
		"as large as allowed":    {inform + strings.Repeat(" ", 1<<20-len(inform)), nil, 200},
		"not gzip":               {inform, []string{"Content-Encoding: gzip"}, 400},
		"gzip cut short":         {compressed(t, "gzip", inform)[:100], []string{"Content-Encoding: gzip"}, 400},
		"gzip damaged":           {compressed(t, "gzip", inform)[:60] + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", []string{"Content-Encoding: gzip"}, 400},
		"unknown encoding":       {inform, []string{"Content-Encoding: br"}, 415},
		"stacked encodings":      {compressed(t, "gzip", compressed(t, "gzip", inform)), []string{"Content-Encoding: gzip, gzip"}, 415},
		"doubled header":         {compressed(t, "gzip", inform), []string{"Content-Encoding: gzip", "Content-Encoding: gzip"}, 415},
		"one byte too large":     {inform + strings.Repeat(" ", 1<<20+1-len(inform)), nil, 413},
		"large":                  {inform + huge, nil, 413},
		"large, chunked":         {fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(huge), huge), []string{"Transfer-Encoding: chunked"}, 413},
		"gzip bomb":              {compressed(t, "gzip", inform+huge), []string{"Content-Encoding: gzip"}, 413},
		"deflate bomb":           {compressed(t, "zlib", inform+huge), []string{"Content-Encoding: deflate"}, 413},
		"bad chunks":             {"zz\r\n", []string{"Transfer-Encoding: chunked"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			h := &script{}
			c := startACS(t, cwmp.ServerConfig{Handler: h, Limits: cwmp.Limits{Bytes: 1 << 20}}).cpe("192.0.2.7")
			c.wantStatus(tc.want, tc.body, tc.header...)
			if got := len(h.record()); (got > 0) != (tc.want == 200) {
				t.Errorf("%d calls of the handler with status %d", got, tc.want)
			}
		})
	}
}

func TestServerLimitsHoldBeforeAuthentication(t *testing.T) {
	a, _ := digestACS(t)
	c := a.cpe("192.0.2.7")
	if got, err := c.raw(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 20<<20)); err != nil || got.status != 413 {
		t.Errorf("got %d, %v, want 413", got.status, err)
	}
	c.wantStatus(413, compressed(t, "gzip", strings.Repeat("Inform ", 5<<18)), "Content-Encoding: gzip")
}

// Messages that are announced, or begun and not ended, cannot fill the memory.
func TestServerBodyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, Limits: cwmp.Limits{Bytes: 1 << 20}, MaxBodyBytes: 1})
		var held []net.Conn
		var wg sync.WaitGroup
		part := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 600_000)
		for range 4 {
			conn := a.cpe("192.0.2.7").dial()
			held = append(held, conn)
			wg.Go(func() { _, _ = io.WriteString(conn, part) })
		}
		synctest.Wait()
		c := a.cpe("192.0.2.8")
		c.wantStatus(503, informOf(t, "A")+strings.Repeat(" ", 900_000))
		c.inform("A") // a small one fits
		for _, conn := range held {
			_ = conn.Close()
		}
		wg.Wait()
		synctest.Wait()
		c.inform("A")
		c.wantStatus(413, strings.Repeat("<Inform>", 100)+informOf(t, "A"))
		c.inform("B")
		c.wantStatus(200, informOf(t, "B")+strings.Repeat(" ", 900_000))
		time.Sleep(time.Second) // net/http waits half a second before it closes what it refused
	})
}

// A gzip bomb costs no more memory than a message of the size that is allowed.
func TestServerGzipBombIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	w, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := startACS(t, cwmp.ServerConfig{Handler: &script{}}).cpe("192.0.2.7")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.wantStatus(413, bomb.String(), "Content-Encoding: gzip")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d MiB were allocated for it, want less than 32", grown>>20)
	}
}
