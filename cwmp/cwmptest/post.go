package cwmptest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"recado/cwmp"
)

// maxRedirects is how many redirects in a row a CPE takes (TR-069 3.4.2).
const maxRedirects = 5

// reply is an answer of the ACS: an envelope, or none where it was empty.
type reply struct {
	status   int
	body     []byte
	envelope *cwmp.Envelope
}

func (r *reply) method() string {
	if r.envelope == nil || r.envelope.Message == nil {
		return ""
	}
	return r.envelope.Message.Method()
}

// post sends one message, goes through challenges and redirects, and reads the answer.
func (s *session) post(ctx context.Context, method string, body []byte) (*reply, error) {
	answered, redirects := false, 0
	for {
		res, err := s.exchange(ctx, method, body)
		if err != nil {
			return nil, err
		}
		switch res.status {
		case http.StatusOK, http.StatusNoContent:
			r := &reply{status: res.status, body: res.body}
			err := s.read(r)
			s.d.note(NoteReceived, r.method(), http.StatusText(res.status), res.body)
			if err == nil {
				err = s.cutHere(BeforeActing, r.method())
			}
			return r, err
		case http.StatusUnauthorized:
			s.d.note(NoteReceived, "", http.StatusText(res.status), res.body)
			if s.q.DiesOn401 {
				return nil, errChallenged
			}
			if s.challenge == nil || answered && !s.challenge.stale() {
				return nil, errPassword
			}
			answered = true
			if s.q.NewConnAfter401 {
				s.hangUp()
			}
		case http.StatusFound, http.StatusTemporaryRedirect:
			if redirects++; redirects > maxRedirects {
				return nil, fmt.Errorf("%w: too many redirects", errProtocol)
			}
			to, err := s.url.Parse(res.header.Get("Location"))
			if err != nil {
				return nil, fmt.Errorf("%w: redirect: %w", errUnreadable, err)
			}
			s.url = to
			s.hangUp()
		default:
			return nil, fmt.Errorf("%w: HTTP status %d", errProtocol, res.status)
		}
	}
}

// read decodes an answer the way the client's parser would: what that cannot read ends the session.
func (s *session) read(r *reply) error {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return nil
	}
	e, err := cwmp.Decode(r.body, cwmp.DefaultLimits)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	r.envelope = e
	if e.Message == nil {
		return fmt.Errorf("%w: an empty Body", errUnreadable)
	}
	if e.Repaired {
		return fmt.Errorf("%w: not well-formed", errUnreadable)
	}
	if e.Namespace != s.namespace() {
		return fmt.Errorf("%w: namespace %s", errUnreadable, e.Namespace)
	}
	return s.dislikes(r)
}

// dislikes tells whether the client breaks on the form of an answer.
func (s *session) dislikes(r *reply) error {
	declared := bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<?xml"))
	_, toInform := r.envelope.Message.(*cwmp.InformResponse)
	request := !strings.HasSuffix(r.method(), "Response") && r.method() != "Fault"
	switch {
	case s.q.RefuseDeclaration && toInform && declared:
		return fmt.Errorf("%w: an XML declaration", errUnreadable)
	case s.q.NeedDeclaration && toInform && !declared:
		return fmt.Errorf("%w: no XML declaration", errUnreadable)
	case s.q.CrashOnDeclaration && request && declared:
		return fmt.Errorf("%w: of an XML declaration", errDied)
	case s.q.RefuseParameterKey && r.method() == "SetParameterValues" && bytes.Contains(r.body, []byte("<ParameterKey")):
		return fmt.Errorf("%w: a ParameterKey", errDied)
	}
	if s.q.NeedNamespaces {
		for _, ns := range []string{soapEnvelope, soapEncoding, "XMLSchema\"", "XMLSchema-instance\"", "urn:dslforum-org:cwmp-"} {
			if !bytes.Contains(r.body, []byte(ns)) {
				return fmt.Errorf("%w: of a namespace that is not declared", errDied)
			}
		}
	}
	prefix, rest, _ := bytes.Cut(r.body, []byte(":"))
	prefix = bytes.TrimPrefix(prefix, []byte("<"))
	named := len(prefix) > 0 && !bytes.ContainsAny(prefix, "<>?\" \t\r\n") && bytes.HasPrefix(rest, []byte("Envelope"))
	if named {
		s.prefix = string(prefix)
	} else if s.q.NeedPrefix {
		return fmt.Errorf("%w: it does not begin with a prefixed Envelope", errUnreadable)
	}
	return nil
}

// cutsHere counts a point at which the connection can break and asks Config.Cut.
func (s *session) cutsHere(where Where, method string) bool {
	s.points++
	return s.cut != nil &&
		s.cut(CutPoint{Session: s.number, Number: s.points, Post: s.posts, Where: where, Method: method})
}

// cutHere breaks the connection where Config.Cut says so.
func (s *session) cutHere(where Where, method string) error {
	if !s.cutsHere(where, method) {
		return nil
	}
	s.hangUp()
	return errCut
}
