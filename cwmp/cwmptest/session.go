package cwmptest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"recado/cwmp"
)

// Why sessions fail, besides what the network says.
var (
	errDied        = errors.New("the session died")
	errInformAgain = errors.New("a new Inform instead of an answer")
	errChallenged  = errors.New("challenged, which it cannot bear")
	errUnreadable  = errors.New("cannot read the answer")
	errProtocol    = errors.New("the answer does not belong here")
	errPassword    = errors.New("credentials were refused")
)

// session is one session, from the Inform to its end; it belongs to Run's goroutine.
type session struct {
	d      *Device
	q      Quirks // as they were when it began
	number int
	cut    func(CutPoint) bool
	link   *link
	url    *url.URL

	posts, points int
	lastID        int
	first         *message  // with the ID of the ACS's first request
	sent          []pending // the events of its Inform
	prefix        string    // of the envelopes, where it is borrowed
	challenge     *challenge
	cookies       []cookie
	rebootNow     bool
}

// runSession has one session and draws the consequences.
func (d *Device) runSession(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.mu.Lock()
	d.sessions.Started++
	s := &session{
		d: d, q: d.quirks, number: d.sessions.Started, cut: d.cut, link: d.carried,
	}
	if s.q.KeepChallenge {
		s.challenge = d.challenge
	}
	if s.q.StaleCookie {
		s.cookies = slices.Clone(d.cookies)
	}
	d.carried, d.live, d.retryAt = nil, cancel, time.Time{}
	d.wanted = max(0, d.wanted-1)
	acsURL := d.setting("URL")
	waiters := d.waiters
	d.waiters = nil
	d.mu.Unlock()

	d.note(NoteSession, "", strconv.Itoa(s.number), nil)
	s.link.watch(ctx)
	err := s.run(ctx, acsURL)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	d.endSession(s, acsURL, err)
	if err == nil {
		d.note(NoteEnded, "", "", nil)
	} else {
		d.note(NoteFailed, "", err.Error(), nil)
	}
	for _, w := range waiters {
		w <- err
	}
}

// endSession keeps the books after a session.
func (d *Device) endSession(s *session, acsURL string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.live = nil
	d.sessions.Posts += s.posts
	d.challenge, d.cookies = s.challenge, s.cookies
	// 6 CONNECTION REQUEST is never retried (Table 8).
	d.events = slices.DeleteFunc(d.events, func(e pending) bool {
		return e.EventCode == cwmp.EventConnectionRequest && s.hasSent(e)
	})
	switch {
	case err == nil:
		d.sessions.Ended++
		d.retries, d.row, d.eventless = 0, 0, false
	default:
		d.sessions.Failed++
		d.retries++
		d.row++
		d.retryAt = now.Add(d.retryWait(err))
		d.eventless = s.q.EventlessRetry && d.retries == 1
	}
	if errors.Is(err, errInformAgain) {
		d.carried, s.link = s.link, nil
		d.carried.unwatch()
	}
	s.link.close()
	if now := d.setting("URL"); now != acsURL {
		d.events = nil
		d.addEvent(cwmp.EventBootstrap, "", "")
		d.want(1, time.Now())
	}
	if len(d.accepted) > 0 && d.bootCause == "" {
		d.bootCause = "Reboot"
	}
}

// retryWait is the time until the next try after a failed session (TR-069 3.2.1.1, Table 3); d.mu is held.
func (d *Device) retryWait(err error) time.Duration {
	switch {
	case errors.Is(err, errInformAgain):
		return 3 * time.Second
	case errors.Is(err, errChallenged):
		return 10 * time.Second
	case d.quirks.EventlessRetry && d.retries == 1:
		return 8 * time.Second
	}
	seconds, _ := strconv.Atoi(d.setting("CWMPRetryMinimumWaitInterval"))
	low := time.Duration(max(1, seconds)) * time.Second
	k, _ := strconv.ParseFloat(d.setting("CWMPRetryIntervalMultiplier"), 64)
	k = max(1, k/1000)
	for range min(d.row, 10) - 1 {
		low = time.Duration(float64(low) * k)
	}
	return low + time.Duration(d.rng.Int64N(int64(float64(low)*(k-1))+1))
}

func (s *session) hasSent(e pending) bool {
	return slices.ContainsFunc(s.sent, func(p pending) bool { return p.id == e.id })
}

// run is the session itself (TR-069 3.7.2).
func (s *session) run(ctx context.Context, acsURL string) error {
	u, err := url.Parse(acsURL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%w: the ACS URL", errUnreadable)
	}
	s.url = u
	if s.q.EmptyPostFirst && s.d.cfg.Auth != AuthNone {
		// The challenge, where one comes, is answered with the Inform.
		if _, err := s.exchange(ctx, "", nil); err != nil {
			return err
		}
	}
	if err := s.inform(ctx); err != nil {
		return err
	}
	if err := s.ownRequests(ctx); err != nil {
		return err
	}
	answer, err := s.post(ctx, "", nil)
	for err == nil && answer.envelope != nil {
		var m message
		if m, err = s.act(answer.envelope, answer.body); err == nil {
			answer, err = s.send(ctx, m)
		}
	}
	if err == nil && s.q.SecondEmptyPost {
		_, err = s.post(ctx, "", nil)
	}
	return err
}

// inform sends the Inform and takes its answer. Fault 8005 asks for it again, three times at most (3.7.1.6).
func (s *session) inform(ctx context.Context) error {
	m := s.informMessage()
	for try := 0; ; try++ {
		answer, err := s.send(ctx, m)
		if err != nil {
			return err
		}
		if answer.envelope == nil {
			return fmt.Errorf("%w: nothing in answer to Inform", errProtocol)
		}
		if f, ok := answer.envelope.Message.(*cwmp.Fault); ok {
			if f.FaultCode == cwmp.FaultACSRetryRequest && try < 3 {
				continue
			}
			return f
		}
		if _, ok := answer.envelope.Message.(*cwmp.InformResponse); !ok {
			return fmt.Errorf("%w: %s in answer to Inform", errProtocol, answer.method())
		}
		if err := s.checkID(m, answer.envelope); err != nil {
			return err
		}
		s.acknowledge("")
		return nil
	}
}

func (s *session) checkID(m message, e *cwmp.Envelope) error {
	if (s.q.ID == IDProper || s.q.ID == IDFirst) && (!e.HasID || e.ID != m.id) {
		return fmt.Errorf("%w: its ID is not the request's", errProtocol)
	}
	return nil
}

// acknowledge forgets the events that were in the Inform and that a response acknowledges ("" is InformResponse).
func (s *session) acknowledge(response string) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.events = slices.DeleteFunc(s.d.events, func(e pending) bool { return e.until == response && s.hasSent(e) })
}

// ownRequests sends the CPE's own requests, each answered before the next (Table 10).
func (s *session) ownRequests(ctx context.Context) error {
	for {
		s.d.mu.Lock()
		if len(s.d.requests) == 0 {
			s.d.mu.Unlock()
			return nil
		}
		request := s.d.requests[0]
		_, repeated := request.(*cwmp.TransferComplete)
		if !repeated {
			s.d.requests = s.d.requests[1:]
		}
		s.d.mu.Unlock()
		m := s.request(request.Method(), writeRequest(request))
		answer, err := s.send(ctx, m)
		if err != nil {
			return err
		}
		if answer.envelope == nil {
			return fmt.Errorf("%w: nothing in answer to %s", errProtocol, request.Method())
		}
		if err := s.checkID(m, answer.envelope); err != nil {
			return err
		}
		got := answer.method()
		if got != request.Method()+"Response" && got != "Fault" {
			return fmt.Errorf("%w: %s in answer to %s", errProtocol, got, request.Method())
		}
		if repeated {
			if got == "Fault" {
				return nil // once more in the next session
			}
			s.acknowledge(got)
			s.d.mu.Lock()
			s.d.requests = s.d.requests[1:]
			s.d.mu.Unlock()
		}
	}
}

func (s *session) request(method string, body func(*writer)) message {
	s.lastID++
	return message{method: method, id: strconv.Itoa(s.number*1000 + s.lastID), hasID: true, body: body}
}

// send writes a message and posts it.
func (s *session) send(ctx context.Context, m message) (*reply, error) {
	w := &writer{q: &s.q, ns: s.namespace(), prefix: s.envelopePrefix()}
	return s.post(ctx, m.method, w.bytes(m))
}

func (s *session) namespace() string {
	if s.q.Namespace != "" {
		return s.q.Namespace
	}
	return s.d.cfg.Namespace
}

func (s *session) envelopePrefix() string {
	switch {
	case s.q.BorrowPrefix && s.prefix != "":
		return s.prefix
	case s.q.Prefix == "" || s.q.Prefix == "none":
		return "soap-env"
	}
	return s.q.Prefix
}
