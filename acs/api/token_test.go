package api_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/docs"
)

const form = "application/x-www-form-urlencoded"

// ixc is a client with a secret and a key.
type ixc struct {
	acs.ClientSecrets
	key *ecdsa.PrivateKey
}

func (s *server) ixc(t testing.TB, n acs.NewClient) ixc {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	n.PublicKey = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	made, err := s.svc.CreateClient(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return ixc{made, key}
}

func (x ixc) form() string {
	return url.Values{"client_id": {x.ClientID}, "client_secret": {x.ClientSecret}}.Encode()
}

// jwt signs as clients of IXC ACS do.
func (x ixc) jwt(t testing.TB, iat, exp time.Time) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." +
		b64([]byte(fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d}`, x.ClientID, iat.Unix(), exp.Unix())))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, x.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// post asks for a token; headers may replace the Content-Type.
func (s *server) post(t testing.TB, path, contentType, body string, headers ...string) reply {
	t.Helper()
	r := s.raw("POST", path, "", body, append([]string{"Content-Type", contentType}, headers...)...)
	w := httptest.NewRecorder()
	w.Code = r.code
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	for name, v := range r.header {
		w.Header()[name] = v
	}
	w.Body = bytes.NewBuffer(r.body)
	if r.code != 200 || contentType == form || strings.HasPrefix(contentType, "application/json") {
		checkExchange(t, req, []byte(body), w)
	}
	return r
}

func TestFetchToken(t *testing.T) {
	s := newServer(t)
	x := s.ixc(t, acs.NewClient{Name: "erp", TokenTTL: time.Hour})
	asJSON := fmt.Sprintf(`{"client_id": %q, "client_secret": %q}`, x.ClientID, x.ClientSecret)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(x.ClientID)+":"+url.QueryEscape(x.ClientSecret)))
	for name, c := range map[string]struct {
		contentType, body string
		headers           []string
	}{
		"form":                {form, x.form(), nil},
		"with grant_type":     {form, x.form() + "&grant_type=client_credentials", nil},
		"with other fields":   {form, x.form() + "&foo=1&foo=2", nil},
		"with a charset":      {form + "; charset=UTF-8", x.form(), nil},
		"JSON":                {"application/json", asJSON, nil},
		"JSON and more":       {"application/json; charset=utf-8", strings.TrimSuffix(asJSON, "}") + `, "grant_type": "client_credentials", "x": [1]}`, nil},
		"form without a type": {"", x.form(), nil},
		"JSON without a type": {"", " " + asJSON, nil},
		"Basic":               {form, "grant_type=client_credentials", []string{"Authorization", basic}},
		"Basic, its id again": {form, "client_id=" + x.ClientID, []string{"Authorization", basic}},
		"an old token too":    {form, x.form(), []string{"Authorization", "Bearer rcd_old"}},
	} {
		for _, path := range []string{"/api/v1/token/oauth", "/api/v2/token/oauth", "/api/v2/token/oauth/"} {
			before := time.Now()
			r := s.post(t, path, c.contentType, c.body, c.headers...)
			got := as[wire.AccessToken](t, r, 200)
			if got.TokenType != "Bearer" || got.ExpiresIn != 3600 || got.Token != "" || got.Scope != "" {
				t.Errorf("%s: got %+v", name, got)
			}
			if left := time.Time(got.ExpiresAt).Sub(before); left < time.Hour-time.Second || left > time.Hour+time.Minute {
				t.Errorf("%s: expires_at is in %v, want an hour", name, left)
			}
			if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Pragma") != "no-cache" {
				t.Errorf("%s: may be cached: %v", name, r.header)
			}
			as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", got.AccessToken, ""), 200)
		}
	}
	got := as[wire.AccessToken](t, s.post(t, "/api/v1/token/oauth", form, x.form()+"&scope=actions"), 200)
	if got.Scope != "actions devices:read devices:write webhooks" {
		t.Errorf("scope: got %q, want the client's scopes", got.Scope)
	}
	if log := s.log.String(); strings.Contains(log, x.ClientSecret) || strings.Contains(log, got.AccessToken) {
		t.Error("the log shows a secret or a token")
	}
}

func TestRefusedTokens(t *testing.T) {
	s := newServer(t)
	x := s.ixc(t, acs.NewClient{Name: "erp"})
	idle := s.ixc(t, acs.NewClient{Name: "idle"})
	blocked := true
	if _, err := s.svc.ChangeClient(t.Context(), idle.ClientID, acs.ClientChange{Blocked: &blocked}); err != nil {
		t.Fatal(err)
	}
	basic := func(text string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(text))}
	}
	for name, c := range map[string]struct {
		path, contentType, body string
		headers                 []string
		code                    int
		word                    string
	}{
		"wrong secret":         {"", form, x.form() + "x", nil, 401, wire.OAuthInvalidClient},
		"wrong secret, JSON":   {"", "application/json", fmt.Sprintf(`{"client_id":%q,"client_secret":"x"}`, x.ClientID), nil, 401, wire.OAuthInvalidClient},
		"unknown client":       {"", form, "client_id=cli_0&client_secret=x", nil, 401, wire.OAuthInvalidClient},
		"wrong secret, Basic":  {"", form, "", basic(x.ClientID + ":x"), 401, wire.OAuthInvalidClient},
		"blocked":              {"", form, idle.form(), nil, 400, wire.OAuthUnauthorizedClient},
		"blocked, wrong":       {"", form, idle.form() + "x", nil, 401, wire.OAuthInvalidClient},
		"no secret":            {"", form, "client_id=" + x.ClientID, nil, 400, wire.OAuthInvalidRequest},
		"nothing":              {"", form, "", nil, 400, wire.OAuthInvalidRequest},
		"twice":                {"", form, x.form() + "&client_id=x", nil, 400, wire.OAuthInvalidRequest},
		"another grant":        {"", form, x.form() + "&grant_type=password", nil, 400, wire.OAuthUnsupportedGrantType},
		"an empty grant":       {"", form, x.form() + "&grant_type=", nil, 400, wire.OAuthUnsupportedGrantType},
		"no form":              {"", form, "client_id=%zz", nil, 400, wire.OAuthInvalidRequest},
		"no UTF-8":             {"", form, "client_id=%ff&client_secret=x", nil, 400, wire.OAuthInvalidRequest},
		"in the query":         {"?" + x.form(), form, "", nil, 400, wire.OAuthInvalidRequest},
		"JSON with a number":   {"", "application/json", `{"client_id":7,"client_secret":"x"}`, nil, 400, wire.OAuthInvalidRequest},
		"JSON list":            {"", "application/json", `["x"]`, nil, 400, wire.OAuthInvalidRequest},
		"JSON twice":           {"", "application/json", `{"client_id":"a","client_id":"b","client_secret":"x"}`, nil, 400, wire.OAuthInvalidRequest},
		"half of JSON":         {"", "application/json", `{"client_id":"a"`, nil, 400, wire.OAuthInvalidRequest},
		"two ways":             {"", form, x.form(), basic(x.ClientID + ":" + x.ClientSecret), 400, wire.OAuthInvalidRequest},
		"Basic of two clients": {"", form, "client_id=cli_0", basic(x.ClientID + ":" + x.ClientSecret), 400, wire.OAuthInvalidRequest},
		"Basic without colon":  {"", form, "", basic("x"), 400, wire.OAuthInvalidRequest},
		"Basic, no base64":     {"", form, "", []string{"Authorization", "Basic ?"}, 400, wire.OAuthInvalidRequest},
		"another type":         {"", "text/plain", x.form(), nil, 415, wire.OAuthInvalidRequest},
		"compressed":           {"", form, x.form(), []string{"Content-Encoding", "gzip"}, 415, wire.OAuthInvalidRequest},
		"another charset":      {"", form + ";charset=utf-16", x.form(), nil, 415, wire.OAuthInvalidRequest},
		"too large":            {"", form, x.form() + "&x=" + strings.Repeat("x", 20_000), nil, 413, wire.OAuthInvalidRequest},
	} {
		r := s.post(t, "/api/v1/token/oauth"+c.path, c.contentType, c.body, c.headers...)
		got := as[wire.TokenRefusal](t, r, c.code)
		if got.Error != c.word || got.Status != c.code || got.Message == "" || got.Message != got.ErrorDescription {
			t.Errorf("%s: got %s, want %s", name, r.body, c.word)
		}
		if (r.header.Get("WWW-Authenticate") != "") != (c.code == 401) {
			t.Errorf("%s: WWW-Authenticate is %q", name, r.header.Get("WWW-Authenticate"))
		}
		if strings.Contains(string(r.body), x.ClientSecret) {
			t.Errorf("%s: the reply shows the secret", name)
		}
	}
	a := s.post(t, "/api/v1/token/oauth", form, x.form()+"x", "X-Request-Id", "1").body
	if b := s.post(t, "/api/v1/token/oauth", form, "client_id=cli_0&client_secret=x", "X-Request-Id", "1").body; string(a) != string(b) {
		t.Errorf("a wrong secret and an unknown client can be told apart: %s, %s", a, b)
	}
}

func TestExchangeJWT(t *testing.T) {
	s := newServer(t)
	x := s.ixc(t, acs.NewClient{Name: "erp", TokenTTL: 5 * time.Minute})
	now := time.Now()
	jwt := x.jwt(t, now, now.Add(time.Minute))
	got := as[wire.AccessToken](t, s.do(t, "GET", "/api/v1/token", jwt, ""), 200)
	if got.AccessToken == "" || got.Token != got.AccessToken || got.ExpiresIn != 300 || got.TokenType != "Bearer" {
		t.Errorf("got %+v, want a token of 300 s under both names", got)
	}
	as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", got.Token, ""), 200)
	refused := func(what, want string, r reply) {
		t.Helper()
		got := as[wire.TokenRefusal](t, r, 401)
		if got.Error != wire.OAuthInvalidGrant || !strings.Contains(got.Message, want) || r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %s, want invalid_grant with %q", what, r.body, want)
		}
	}
	refused("again", "used before", s.do(t, "GET", "/api/v1/token", jwt, ""))
	refused("no JWT", "no JWT", s.do(t, "GET", "/api/v1/token", x.Token, ""))
	refused("nothing", "Bearer JWT", s.do(t, "GET", "/api/v1/token", "", ""))
	refused("too long", "2048", s.do(t, "GET", "/api/v1/token", strings.Repeat("x", 3000), ""))
	refused("over", "expired", s.do(t, "GET", "/api/v1/token", x.jwt(t, now.Add(-time.Hour), now.Add(-2*time.Minute)), ""))
	refused("a scheme without a token", "Bearer JWT", s.do(t, "GET", "/api/v1/token", "", "", "Authorization", "Bearer"))
	if r := s.do(t, "GET", "/api/v1/token?x=1", x.jwt(t, now, now.Add(time.Minute)), ""); r.code != 400 {
		t.Errorf("with a query: got %d, want 400", r.code)
	}
	// A JWT is no token of the API.
	s.do(t, "GET", "/api/v1/protocols", x.jwt(t, now, now.Add(time.Minute)), "").problem(t, 401, wire.CodeUnauthenticated)
}

// TestThrottle tries secrets from one address, and at one client from many.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		x := s.ixc(t, acs.NewClient{Name: "erp"})
		y := s.ixc(t, acs.NewClient{Name: "crm"})
		try := func(from, body string) reply {
			r := httptest.NewRequest("POST", "/api/v1/token/oauth", strings.NewReader(body))
			r.Header.Set("Content-Type", form)
			r.RemoteAddr = from
			// Whoever says that it forwards for others is not believed.
			r.Header.Set("X-Forwarded-For", fmt.Sprint("198.51.100.", time.Now().UnixNano()%250))
			w := httptest.NewRecorder()
			s.api.ServeHTTP(w, r)
			return reply{w.Code, w.Header(), w.Body.Bytes()}
		}
		wrong := x.form() + "x"
		want := func(what string, r reply, code int) {
			t.Helper()
			if r.code != code {
				t.Errorf("%s: got %d %s, want %d", what, r.code, r.body, code)
			}
			if wait := r.header.Get("Retry-After"); (wait != "") != (code == 429) {
				t.Errorf("%s: Retry-After is %q", what, wait)
			}
		}
		const home, crook = "192.0.2.1:1000", "203.0.113.9:1000"
		want("right, to be known", try(home, x.form()), 200)
		for range 60 {
			want("wrong", try(crook, wrong), 401)
		}
		got := try(crook, wrong)
		want("the 61st", got, 429)
		if body := as[wire.TokenRefusal](t, got, 429); body.Error != wire.OAuthTooManyRequests || body.RetryAfterSeconds != 1 {
			t.Errorf("got %+v, want too_many_requests with a wait of 1 s", body)
		}
		want("even when right", try(crook, x.form()), 429)
		want("another client from there", try(crook, y.form()), 200)
		want("the client from home", try(home, x.form()), 200)
		time.Sleep(time.Second)
		want("a second later", try(crook, wrong), 401)
		want("and again", try(crook, wrong), 429)

		// One address with many ids.
		for i := range 250 {
			try(crook, fmt.Sprintf("client_id=cli_%d&client_secret=x", i))
		}
		want("another id from there", try(crook, "client_id=cli_999&client_secret=x"), 429)
		want("its neighbour in the same network of IPv4", try("203.0.113.10:1000", "client_id=cli_999&client_secret=x"), 401)
		for i := range 300 {
			try(fmt.Sprintf("[2001:db8::%x]:9", i+1), fmt.Sprintf("client_id=cli_%d&client_secret=x", i))
		}
		want("another address of a network of IPv6", try("[2001:db8::ffff]:9", "client_id=cli_0&client_secret=x"), 429)
		want("another network of IPv6", try("[2001:db8:0:1::1]:9", "client_id=cli_0&client_secret=x"), 401)

		// One client, guessed at from everywhere, gets in where it got in before.
		time.Sleep(time.Hour)
		for i := range 300 {
			try(fmt.Sprintf("198.51.%d.%d:1", i/250, i%250), wrong)
		}
		want("guessed at from elsewhere", try("198.18.0.1:1", x.form()), 429)
		want("from home", try(home, x.form()), 200)
		want("the other client", try("198.18.0.1:1", y.form()), 200)

		time.Sleep(time.Hour)
		for range 600 {
			want("fetching", try(home, x.form()), 200)
		}
		want("fetching more than 600 a minute", try(home, x.form()), 429)
		time.Sleep(100 * time.Millisecond)
		want("a tenth of a second later", try(home, x.form()), 200)
	})
}

func TestThrottleIsBounded(t *testing.T) {
	th := api.NewThrottle(1000)
	now := time.Now()
	for i := range 10_000 {
		y, err := api.Begin(th, fmt.Sprint("source ", i), fmt.Sprint("id ", i), now)
		if err != nil {
			t.Fatal(err)
		}
		api.End(th, y, acs.ErrUnauthenticated)
	}
	if n := api.Throttled(th); n > 1000 {
		t.Errorf("got %d buckets, want 1000 at the most", n)
	}
	for i := range 400 {
		y, err := api.Begin(th, "many", fmt.Sprint("right ", i), now)
		if err != nil {
			t.Fatalf("the %d. client that is right, from one address: %v", i+1, err)
		}
		api.End(th, y, nil)
	}
	for i := range 61 {
		y, err := api.Begin(th, "many", "right 399", now)
		if i < 60 && (err != nil || !api.Known(y)) || i == 60 && err == nil {
			t.Fatalf("wrong try %d of a client that got in before: got %v; want 60 to be judged", i+1, err)
		}
		api.End(th, y, acs.ErrUnauthenticated)
	}
	y, err := api.Begin(th, "s", "i", now)
	if err != nil {
		t.Fatal(err)
	}
	api.End(th, y, errors.New("the store is away"))
	if y, err = api.Begin(th, "s", "i", now); err != nil || api.Known(y) {
		t.Errorf("after a try that nobody could judge: got %+v, %v; want neither counted nor known", y, err)
	}
}

func TestOAuthErrorsAreDescribed(t *testing.T) {
	var described []string
	for _, v := range loadDescription(t).doc.Components.Schemas["TokenRefusal"].Value.Properties["error"].Value.Enum {
		described = append(described, v.(string))
	}
	if !slices.Equal(described, wire.OAuthErrors) {
		t.Errorf("errors described: got %v, want %v", described, wire.OAuthErrors)
	}
	for _, word := range wire.OAuthErrors {
		if !strings.Contains(string(docs.OpenAPI), "`"+word+"`") {
			t.Errorf("%s is explained nowhere", word)
		}
	}
}

func FuzzTokenRequest(f *testing.F) {
	s := newServer(f)
	x := s.ixc(f, acs.NewClient{Name: "erp"})
	for _, contentType := range []string{form, "application/json", "", "text/plain"} {
		f.Add(contentType, x.form(), "")
		f.Add(contentType, `{"client_id":"a","client_secret":"b","x":{"y":[1,2]}}`, "Basic YTpi")
		f.Add(contentType, `{"client_id":"\ud800"}`, "basic")
	}
	f.Fuzz(func(t *testing.T, contentType, body, authorization string) {
		r := httptest.NewRequest("POST", "/api/v1/token/oauth", strings.NewReader(body))
		r.Header["Content-Type"], r.Header["Authorization"] = []string{contentType}, []string{authorization}
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		var refusal wire.TokenRefusal
		if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil {
			t.Fatalf("got %d %s: %v", w.Code, w.Body, err)
		}
		if w.Code != 200 && (refusal.Status != w.Code || refusal.Error == "" || w.Code >= 500) {
			t.Errorf("got %d %s, want a refusal", w.Code, w.Body)
		}
	})
}
