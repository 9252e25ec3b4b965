package webhook

import (
	"fmt"
	"strings"
)

// signed is a text that an HMAC may have been taken of.
type signed struct {
	content []byte
	what    string // completes "the signature is of …"; empty for the right one
}

// contents are the right text to sign, and those that people sign instead.
func (x *examination) contents(scheme Scheme) []signed {
	body := x.received.Body
	right, wrong := x.standardContent(body), body
	what := "the body alone, instead of webhook-id, a full stop, webhook-timestamp, a full stop, and the body"
	if scheme == SchemeBody {
		right, wrong = wrong, right
		what = "webhook-id, webhook-timestamp and the body, instead of the body alone"
	}
	all := []signed{{right, ""}, {wrong, what}}
	if scheme == SchemeStandard {
		all = append(all,
			signed{append([]byte(x.stamp+"."), body...), "webhook-timestamp, a full stop and the body: webhook-id and a full stop are missing in front"},
			signed{append([]byte(x.id+"."), body...), "webhook-id, a full stop and the body: webhook-timestamp and a full stop are missing between"},
			signed{append([]byte(x.id+x.stamp), body...), "webhook-id, webhook-timestamp and the body without the full stops between them"},
		)
	}
	return all
}

// right is the MAC of a text under a scheme.
func (k key) right(scheme Scheme, content []byte) []byte {
	if scheme == SchemeBody {
		return hmacOf([]byte(k.text), content)
	}
	return hmacOf(k.key, content)
}

// diagnose looks for the mistake that gives the signature that came. What is likeliest is tried first; the first that fits is told.
func (x *examination) diagnose(scheme Scheme, header string, given signatures) {
	if len(given) == 0 {
		x.result.found(FindingSignatureForm, header+" holds nothing that can be read as a signature", x.formAdvice(scheme))
		return
	}
	if x.wrongForm(scheme, header, given) || x.wrongBody(scheme, given) || x.wrongKey(scheme, given) || x.wrongEndpoint(scheme, given) {
		return
	}
	x.unexplained(header)
}

func (x *examination) formAdvice(scheme Scheme) string {
	if scheme == SchemeBody {
		return "write it as " + bodySignaturePrefix + " and 64 hex digits."
	}
	return "write each as v1, and the padded standard base64 of the 32 bytes, separated by single spaces."
}

// wrongForm finds the right MAC, written otherwise.
func (x *examination) wrongForm(scheme Scheme, header string, given signatures) bool {
	content := x.contents(scheme)[0].content
	for _, k := range x.keys {
		if form, ok := given.find(k.right(scheme, content)); ok {
			x.result.found(FindingSignatureForm, fmt.Sprintf("%s is the right signature by %s, but %s", header, k.name(), form), x.formAdvice(scheme))
			return true
		}
	}
	return false
}

// wrongBody finds a signature that is right for the body that was delivered, or for another form of the one that came.
func (x *examination) wrongBody(scheme Scheme, given signatures) bool {
	content := func(body []byte) []byte {
		if scheme == SchemeBody {
			return body
		}
		return x.standardContent(body)
	}
	const advice = "verify the bytes exactly as they came in, before anything parses, prints, trims or recodes them: take the raw body from the framework."
	for _, k := range x.keys {
		if x.sent == nil || x.result.FirstDifference == nil {
			break
		}
		if _, ok := given.find(k.right(scheme, content(x.sent))); ok {
			code, problem := compareBodies(x.received.Body, x.sent, *x.result.FirstDifference)
			x.result.found(code, "the signature is right for the body that was delivered, but "+problem, advice)
			return true
		}
	}
	for _, f := range otherForms(x.received.Body) {
		for _, k := range x.keys {
			if _, ok := given.find(k.right(scheme, content(f.body))); ok {
				x.result.found(FindingBodyReserialised, "the signature is right for this body "+f.how, advice)
				return true
			}
		}
	}
	return false
}

// wrongKey finds a key taken wrongly, or a wrong text signed, or both.
func (x *examination) wrongKey(scheme Scheme, given signatures) bool {
	contents := x.contents(scheme)
	for _, k := range x.keys {
		for _, c := range contents[1:] {
			if _, ok := given.find(k.right(scheme, c.content)); ok {
				x.result.found(FindingSignedContent, fmt.Sprintf("the key is right (%s), but the signature is of %s", k.name(), c.what), x.contentAdvice(scheme))
				return true
			}
		}
		for _, m := range misreadings(k.Secret, scheme) {
			for _, c := range contents {
				form, ok := given.find(hmacOf(m.key, c.content))
				if !ok {
					continue
				}
				problem := fmt.Sprintf("the key is %s (%s of the endpoint)", m.how, strings.TrimPrefix(k.name(), "the "))
				if c.what != "" {
					problem += "; and the signature is of " + c.what
				}
				if form != "" {
					problem += "; and " + form
				}
				x.result.found(FindingWrongKey, problem, x.keyAdvice(scheme))
				return true
			}
		}
	}
	return false
}

func (x *examination) contentAdvice(scheme Scheme) string {
	if scheme == SchemeBody {
		return "sign the raw body, nothing before it."
	}
	return `sign "{webhook-id}.{webhook-timestamp}.{raw body}".`
}

func (x *examination) keyAdvice(scheme Scheme) string {
	if scheme == SchemeBody {
		return "the key of the body signature is the bytes of the secret's text, as it was given or shown, with whsec_ if it begins so."
	}
	return "cut whsec_ off standard_secret and decode the rest as base64: those bytes are the key."
}

// wrongEndpoint finds the secret of another endpoint of the same client.
func (x *examination) wrongEndpoint(scheme Scheme, given signatures) bool {
	content := x.contents(scheme)[0].content
	for i := range x.others {
		other := &x.others[i]
		if other.ID == x.endpoint.ID {
			continue
		}
		for _, text := range []string{other.Secret, other.OldSecret} {
			s, err := ParseSecret(text)
			if text == "" || err != nil {
				continue
			}
			if _, ok := given.find(key{Secret: s}.right(scheme, content)); ok {
				x.result.found(FindingOtherEndpoint, "the signature is by the secret of another endpoint, "+other.ID,
					"each endpoint has a secret of its own: give the receiver the one of the endpoint whose URL it serves, or ask about that endpoint.")
				return true
			}
		}
	}
	return false
}

// unexplained tells what is known where nothing fits.
func (x *examination) unexplained(header string) {
	secrets := "not by the secret of this endpoint"
	if len(x.keys) > 1 {
		secrets = "by neither secret of this endpoint, new or old"
	}
	ask := "have the secret shown (POST /webhooks/{id}/secret) and compare it with the receiver's. A secret that was replaced is worth nothing once its overlap has ended."
	switch {
	case x.sent != nil && x.result.FirstDifference == nil && x.attemptAt():
		x.result.found(FindingHeadersChanged, fmt.Sprintf("the body is the one that was delivered, and an attempt was signed at %s, but %s is %s", HeaderTimestamp, header, secrets),
			"the signature was changed on its way, or the secret was replaced since. "+ask)
	case x.sent != nil && x.result.FirstDifference == nil:
		x.result.found(FindingHeadersChanged, fmt.Sprintf("the body is the one that was delivered, but no attempt was signed at %s, and %s is %s", HeaderTimestamp, header, secrets),
			"take the three headers of one and the same request. Besides, "+ask)
	case x.sent != nil:
		code, problem := compareBodies(x.received.Body, x.sent, *x.result.FirstDifference)
		x.result.found(code, fmt.Sprintf("%s; and %s is %s, neither for this body nor for the delivered one", problem, header, secrets), ask)
	default:
		x.result.found(FindingNoMatch, fmt.Sprintf("%s is %s, for this body, %s and %s, nor in any of the usual mistakes", header, secrets, HeaderID, HeaderTimestamp),
			"the body, the id or the timestamp was changed, or the secret is another one. "+ask+" webhook-id is no event that this endpoint got, so the body could not be compared.")
	}
}

// attemptAt tells whether an attempt was signed at webhook-timestamp.
func (x *examination) attemptAt() bool {
	unix, ok := readStamp(x.stamp)
	for _, a := range x.attempts {
		if ok && a.At.Unix() == unix {
			return true
		}
	}
	return false
}
