package cwmptest

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// cookie is one the ACS has set; only its name and value matter to a CPE (TR-069 3.4.2).
type cookie struct{ name, value string }

func keepCookie(list []cookie, name, value string) []cookie {
	for i := range list {
		if list[i].name == name {
			list[i].value = value
			return list
		}
	}
	return append(list, cookie{name, value})
}

func (s *session) cookieHeader() string {
	if s.q.NoCookie || len(s.cookies) == 0 {
		return ""
	}
	parts := make([]string, len(s.cookies))
	for i, c := range s.cookies {
		parts[i] = c.name + "=" + c.value
		if s.q.OldCookie {
			parts[i] = fmt.Sprintf(`%s="%s"; $Path="/"`, c.name, c.value)
		}
	}
	if s.q.OldCookie {
		return `$Version="1"; ` + strings.Join(parts, ", ")
	}
	return strings.Join(parts, "; ")
}

// challenge is a WWW-Authenticate of the ACS, and how often it was answered.
type challenge struct {
	scheme string
	params map[string]string
	uses   int
}

func (c *challenge) stale() bool { return strings.EqualFold(c.params["stale"], "true") }

// choose picks the challenge that is answered, nil where none can be.
func (s *session) choose(headers []string) *challenge {
	var basic *challenge
	for _, h := range headers {
		scheme, params := authParams(h)
		switch auth := s.d.cfg.Auth; {
		case scheme == "digest" && (auth == AuthAny || auth == AuthDigest):
			return &challenge{scheme: scheme, params: params}
		case scheme == "basic" && (auth == AuthAny || auth == AuthBasic):
			basic = &challenge{scheme: scheme, params: params}
		}
	}
	return basic
}

// authorization is the Authorization header of the next request, empty where it has none.
func (s *session) authorization(method, target string) string {
	if s.q.AuthInformOnly && method != "Inform" {
		return ""
	}
	s.d.mu.Lock()
	user, password := s.d.setting("Username"), s.d.setting("Password")
	cnonce := s.d.token()
	s.d.mu.Unlock()
	c := s.challenge
	if c == nil && !s.q.PreemptiveBasic {
		return ""
	}
	if c == nil || c.scheme == "basic" {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	a := digestAnswer{
		username: user, password: password, realm: c.params["realm"], nonce: c.params["nonce"],
		uri: target, method: "POST", algorithm: c.params["algorithm"],
	}
	if s.q.EmptyURI {
		a.uri = ""
	}
	c.uses++
	if c.params["qop"] != "" && !s.q.OldDigest {
		a.qop, a.nc, a.cnonce = "auth", fmt.Sprintf("%08x", c.uses), cnonce
		if s.q.FixedNC {
			a.nc = "00000001"
		}
	}
	return a.header(c.params["opaque"])
}
