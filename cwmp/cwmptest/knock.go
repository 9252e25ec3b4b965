package cwmptest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"recado/cwmp"
)

// nonceLife is how long a nonce of a Device's listener is good, and noncesKept how many it remembers.
const (
	nonceLife  = 300 * time.Second
	noncesKept = 32
)

// nonce is one that a challenge named.
type nonce struct {
	issued time.Time
	nc     uint64 // the highest count seen
	used   bool
}

// connectionRequest answers one connection request. It is false where the connection ends with it.
func (d *Device) connectionRequest(c net.Conn, r *bufio.Reader, req *http.Request) (goOn bool) {
	d.mu.Lock()
	q, dead := d.quirks, !d.up || d.offline
	d.mu.Unlock()
	switch {
	case dead || q.DoorHangsUp:
		return false
	case q.DoorSilent:
		_, _ = io.Copy(io.Discard, r) // until the other side gives up, or the deadline
		return false
	case req.Method != http.MethodGet:
		return d.answerKnock(c, q, http.StatusMethodNotAllowed, "")
	}
	if ok, stale := d.authenticated(q, req); !ok {
		return d.answerKnock(c, q, http.StatusUnauthorized, d.newChallenge(q, stale))
	}
	status := http.StatusOK
	switch {
	case q.DoorStatus != 0:
		return d.answerKnock(c, q, q.DoorStatus, "")
	case d.throttled(q):
		return d.answerKnock(c, q, http.StatusServiceUnavailable, "")
	case q.NoContent:
		status = http.StatusNoContent
	}
	if q.InformFirst {
		d.awaken(true)
		return d.answerKnock(c, q, status, "")
	}
	goOn = d.answerKnock(c, q, status, "")
	d.awaken(false)
	return goOn
}

// throttled tells whether a request is refused for coming at the wrong time (quirk 39).
func (d *Device) throttled(q Quirks) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q.BusyInSession && d.live != nil {
		return true
	}
	if q.Throttle == 0 {
		return false
	}
	for len(d.accepts) > 0 && time.Since(d.accepts[0]) >= time.Hour {
		d.accepts = d.accepts[1:]
	}
	return len(d.accepts) >= q.Throttle
}

// awaken asks for the session; with wait it returns once the Inform is out, or after a second without.
func (d *Device) awaken(wait bool) {
	d.mu.Lock()
	d.sessions.ConnectionRequests++
	if d.quirks.Throttle > 0 {
		d.accepts = append(d.accepts, time.Now())
	}
	at := time.Now()
	if d.quirks.SessionDelay > 0 {
		at = at.Add(time.Duration(d.rng.Int64N(int64(d.quirks.SessionDelay) + 1)))
	}
	d.addEvent(cwmp.EventConnectionRequest, "", "")
	d.want(1, at)
	posted := make(chan struct{})
	if wait {
		d.informed = append(d.informed, posted)
	}
	d.mu.Unlock()
	if wait {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-posted:
		case <-t.C:
		}
	}
}

// posted tells those who wait for an Inform that one is out.
func (s *session) posted(method string) {
	if method != "Inform" {
		return
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for _, ch := range s.d.informed {
		close(ch)
	}
	s.d.informed = nil
}

// authenticated checks the credentials of a connection request; stale asks for the same with a new nonce.
func (d *Device) authenticated(q Quirks, req *http.Request) (ok, stale bool) {
	if q.DoorAuth == DoorOpen {
		return true, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	user, password := d.setting("ConnectionRequestUsername"), d.setting("ConnectionRequestPassword")
	if q.OwnUsername {
		id := d.cfg.DeviceID
		user = id.OUI + "-" + id.ProductClass + "-" + id.SerialNumber
	}
	if user == "" && password == "" {
		return false, false
	}
	if q.DoorAuth == DoorBasic {
		u, p, sent := req.BasicAuth()
		return sent && u == user && p == password, false
	}
	scheme, p := authParams(req.Header.Get("Authorization"))
	if scheme != "digest" {
		return false, false
	}
	n := d.nonces[p["nonce"]]
	if n == nil || time.Since(n.issued) >= nonceLife {
		return false, true
	}
	path, _, _ := strings.Cut(p["uri"], "?")
	want := digestAnswer{
		username: user, password: password, realm: realm, nonce: p["nonce"], uri: p["uri"], method: req.Method,
		algorithm: q.DoorAlgorithm, qop: p["qop"], nc: p["nc"], cnonce: p["cnonce"],
	}
	if p["username"] != user || p["response"] != want.response() || !strings.HasSuffix(path, req.URL.Path) {
		return false, false
	}
	if q.DoorAuth == DoorDigest && p["qop"] != "" {
		nc, err := strconv.ParseUint(p["nc"], 16, 32)
		if err != nil || nc <= n.nc {
			return false, true
		}
		n.nc = nc
	}
	if q.NonceOnce && n.used {
		return false, true
	}
	n.used = true
	return true, false
}

const realm = "cpe"

// newChallenge makes the WWW-Authenticate of a 401, its parameters parted as the quirks say.
func (d *Device) newChallenge(q Quirks, stale bool) string {
	if q.DoorAuth == DoorBasic {
		return `Basic realm="` + realm + `"`
	}
	d.mu.Lock()
	now := time.Now()
	token := d.token() + d.token()
	if q.NoncePerSecond {
		token = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %d", d.cfg.DeviceID.SerialNumber, now.Unix()))
	}
	if d.nonces == nil {
		d.nonces = make(map[string]*nonce)
	}
	if d.nonces[token] == nil {
		d.nonces[token] = &nonce{issued: now}
	}
	if len(d.nonces) > noncesKept {
		oldest := token
		for k, n := range d.nonces {
			if n.issued.Before(d.nonces[oldest].issued) {
				oldest = k
			}
		}
		delete(d.nonces, oldest)
	}
	d.mu.Unlock()
	parts := []string{`realm="` + realm + `"`}
	if q.DoorAuth != DoorOldDigest {
		parts = append(parts, `qop="auth"`)
	}
	parts = append(parts, `nonce="`+token+`"`)
	if q.DoorAlgorithm != "" {
		parts = append(parts, "algorithm="+q.DoorAlgorithm)
	}
	if q.NoCommas {
		parts = append(parts, `opaque=""`)
	} else {
		parts = append(parts, `opaque="5ccc069c403ebaf9f0171e9517f40e41"`)
	}
	if stale {
		parts = append(parts, "stale=true")
	}
	switch {
	case q.Folded:
		return "Digest " + strings.Join(parts, ","+eol(q)+" ")
	case q.NoCommas:
		return "Digest " + strings.Join(parts, " ")
	}
	return "Digest " + strings.Join(parts, ", ")
}

func eol(q Quirks) string {
	if q.BareLF {
		return "\n"
	}
	return "\r\n"
}

// answerKnock writes the reply to a connection request; it is false where the connection is to be closed.
func (d *Device) answerKnock(c net.Conn, q Quirks, status int, challenge string) bool {
	end := eol(q)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s%s", status, http.StatusText(status), end)
	if challenge != "" {
		b.WriteString("WWW-Authenticate: " + challenge + end)
	}
	body := ""
	if q.ReplyBody && status == http.StatusOK {
		body = "OK" + end
	}
	if status != http.StatusNoContent {
		fmt.Fprintf(&b, "Content-Length: %d%s", len(body), end)
	}
	if q.NoBlankLine {
		b.WriteString("Connection: close" + end)
	} else {
		b.WriteString(end + body)
	}
	if q.DoubleCRLF && status < 300 {
		b.WriteString("\r\n")
	}
	_, err := c.Write([]byte(b.String()))
	d.note(NoteConnectionRequest, "", strconv.Itoa(status), []byte(b.String()))
	return err == nil && !q.NoBlankLine
}
