package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"recado/acs/wire"
)

// maxTokenRequest bounds the body of a request for a token.
const maxTokenRequest = 16 << 10

const formType = "application/x-www-form-urlencoded"

type tokenRequest struct{ id, secret, scope string }

// readTokenRequest reads a request for a token: a form, as RFC 6749 has it, or JSON, with the secret in it or in the Authorization header.
func readTokenRequest(c echo.Context) (tokenRequest, error) {
	r := c.Request()
	if r.URL.RawQuery != "" {
		return tokenRequest{}, badTokenRequest("give client_id and client_secret in the body: a URL ends up in logs")
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, maxTokenRequest))
	if err != nil {
		if err = readError(err); errors.Is(err, errBodyTooLarge) {
			err = &oauthError{
				status: http.StatusRequestEntityTooLarge, word: wire.OAuthInvalidRequest,
				message: fmt.Sprintf("a request for a token may have %d bytes", maxTokenRequest),
			}
		}
		return tokenRequest{}, err
	}
	fields, err := tokenFieldsOf(r.Header, b)
	if err != nil {
		return tokenRequest{}, err
	}
	if g, given := fields["grant_type"]; given && g != "client_credentials" {
		return tokenRequest{}, &oauthError{
			status: http.StatusBadRequest, word: wire.OAuthUnsupportedGrantType, message: "grant_type: want client_credentials, or none",
		}
	}
	in := tokenRequest{fields["client_id"], fields["client_secret"], fields["scope"]}
	id, secret, given, err := basic(r.Header)
	switch {
	case err != nil:
		return tokenRequest{}, err
	case given && (in.secret != "" || in.id != "" && in.id != id):
		return tokenRequest{}, badTokenRequest("the secret comes both in the header Authorization and in the body, or for two clients; want it once")
	case given:
		in.id, in.secret = id, secret
	}
	if in.id == "" || in.secret == "" {
		return tokenRequest{}, badTokenRequest("client_id or client_secret is missing; send both as a form or as JSON")
	}
	return in, nil
}

// tokenFieldsOf reads the body by its Content-Type, or by its looks where it has none.
func tokenFieldsOf(h http.Header, b []byte) (map[string]string, error) {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, errTokenMediaType
	}
	text := strings.TrimSpace(string(b))
	given := h.Get("Content-Type")
	t, params, err := mime.ParseMediaType(given)
	switch {
	case given != "" && err != nil:
		return nil, errTokenMediaType
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return nil, errTokenMediaType
	case text == "":
		return map[string]string{}, nil
	case t == "application/json", given == "" && text[0] == '{':
		return jsonFields([]byte(text))
	case t == formType, given == "":
		return formFields(text)
	}
	return nil, errTokenMediaType
}

var errTokenMediaType = &oauthError{
	status: http.StatusUnsupportedMediaType, word: wire.OAuthInvalidRequest,
	message: "send " + formType + " or application/json in UTF-8, not compressed",
}

func formFields(text string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, badTokenRequest("the form is not well formed")
	}
	fields := map[string]string{}
	for _, name := range tokenFields {
		switch v := values[name]; {
		case len(v) > 1:
			return nil, badTokenRequest(name + " comes twice")
		case len(v) == 1 && !utf8.ValidString(v[0]):
			return nil, badTokenRequest(name + " is not valid UTF-8")
		case len(v) == 1:
			fields[name] = v[0]
		}
	}
	return fields, nil
}

// basic takes id and secret out of the header Authorization (RFC 6749 section 2.3.1: each of them form-encoded). Another scheme than
// Basic, such as a token of before, is passed over.
func basic(h http.Header) (id, secret string, given bool, err error) {
	all := h.Values("Authorization")
	if len(all) == 0 {
		return "", "", false, nil
	}
	scheme, text, _ := strings.Cut(all[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false, nil
	}
	bad := badTokenRequest("the header Authorization is not Basic and the base64 of client_id:client_secret")
	if len(all) > 1 {
		return "", "", false, bad
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Trim(text, " "))
	if err != nil {
		return "", "", false, bad
	}
	id, secret, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", "", false, bad
	}
	if id, err = url.QueryUnescape(id); err != nil {
		return "", "", false, bad
	}
	if secret, err = url.QueryUnescape(secret); err != nil {
		return "", "", false, bad
	}
	return id, secret, true, nil
}
