package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

func hmacOf(key, content []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(content)
	return h.Sum(nil)
}

// signature is a signature that was given, read in one of the forms that people write them in. An empty form is the right one.
type signature struct {
	mac  []byte
	form string
}

type signatures []signature

// canonical tells whether mac is among those in the right form.
func (s signatures) canonical(mac []byte) bool {
	form, ok := s.find(mac)
	return ok && form == ""
}

// find looks for mac in any form. All are compared, in constant time each.
func (s signatures) find(mac []byte) (form string, ok bool) {
	for _, one := range s {
		if hmac.Equal(one.mac, mac) && (!ok || one.form == "") {
			form, ok = one.form, true
		}
	}
	return form, ok
}

// readEntries reads webhook-signature.
func readEntries(list string) signatures {
	var all signatures
	for i, entry := range strings.Split(list, " ") {
		if i == maxEntries {
			break
		}
		text, versioned := strings.CutPrefix(entry, signatureVersion)
		if mac, err := base64.StdEncoding.DecodeString(text); versioned && err == nil && len(mac) == sha256.Size {
			all = append(all, signature{mac, ""})
			continue
		}
		wrong := ""
		if !versioned {
			wrong = "it does not begin with v1,"
		}
		// A joined header ("a, b") leaves a comma behind.
		bare := strings.TrimSuffix(text, ",")
		for _, prefix := range []string{"v1=", "v1:", "v1", bodySignaturePrefix} {
			bare = strings.TrimPrefix(bare, prefix)
		}
		all = append(all, lenient(bare, wrong)...)
	}
	return all
}

// readBodyEntry reads a body signature.
func readBodyEntry(value string) signatures {
	text, prefixed := strings.CutPrefix(value, bodySignaturePrefix)
	mac, err := hex.DecodeString(text)
	if prefixed && err == nil && len(mac) == sha256.Size {
		return signatures{{mac, ""}}
	}
	wrong := ""
	if !prefixed {
		wrong = "it does not begin with " + bodySignaturePrefix
	}
	for _, prefix := range []string{"SHA256=", "sha256:", signatureVersion, "v1="} {
		text = strings.TrimPrefix(text, prefix)
	}
	return lenient(strings.TrimSpace(text), wrong)
}

// lenient reads a MAC in every form that it may be in. wrong is what is wrong besides.
func lenient(text, wrong string) signatures {
	var all signatures
	add := func(mac []byte, form string) {
		switch {
		case wrong != "" && form != "":
			form = wrong + ", and " + form
		case wrong != "":
			form = wrong
		}
		if form == "" {
			form = "it is written in another way"
		}
		all = append(all, signature{mac, form})
	}
	if mac, err := hex.DecodeString(text); err == nil && len(mac) == sha256.Size {
		add(mac, "it is in hex")
	}
	for _, e := range []struct {
		enc  *base64.Encoding
		form string
	}{
		{base64.StdEncoding, "it is in base64"},
		{base64.RawStdEncoding, "its base64 lacks the padding (=)"},
		{base64.URLEncoding, "it is in the base64 of URLs (- and _)"},
		{base64.RawURLEncoding, "it is in the base64 of URLs, without padding"},
	} {
		b, err := e.enc.DecodeString(text)
		if err != nil {
			continue
		}
		if len(b) == sha256.Size {
			add(b, e.form)
		}
		if mac, err := hex.DecodeString(string(b)); err == nil && len(mac) == sha256.Size {
			add(mac, "it is the base64 of the hex digits, not of the bytes")
		}
	}
	return all
}

// misread is a key as people get it wrong. how completes "the key is …".
type misread struct {
	key []byte
	how string
}

// misreadings are the wrong keys that a secret is taken for, under a scheme.
func misreadings(s Secret, scheme Scheme) []misread {
	std := s.Standard()
	b64 := strings.TrimPrefix(std, secretPrefix)
	var all []misread
	if scheme == SchemeStandard {
		all = []misread{
			{[]byte(std), "the text of standard_secret with whsec_, instead of the bytes that follow it in base64"},
			{[]byte(b64), "the text that follows whsec_, instead of the bytes that it is the base64 of"},
			{[]byte(s.text), "the secret as text, instead of the bytes that follow whsec_ in base64"},
			// PHP passes over the underscore, Node.js takes it for the slash that it is in URLs.
			{loosely(strings.ReplaceAll(std, "_", "")), "the whole of standard_secret decoded as base64, with whsec_ in it"},
			{loosely(strings.ReplaceAll(std, "_", "/")), "the whole of standard_secret decoded as base64, with whsec_ in it"},
		}
	} else {
		all = []misread{
			{s.key, "the bytes that follow whsec_ in base64, instead of the whole text of the secret"},
			{[]byte(b64), "the text that follows whsec_, instead of the whole text of the secret"},
			{[]byte(std), "the text of standard_secret, instead of that of the secret"},
		}
	}
	all = append(all,
		misread{[]byte(hex.EncodeToString(s.key)), "the key's hex digits as text, instead of the bytes"},
		misread{[]byte(s.text + "\n"), "the secret with a line break behind it, as a file or an environment may add"},
		misread{append(bytes.Clone(s.key), '\n'), "the right key with a line break behind it"},
		misread{[]byte(`"` + s.text + `"`), "the secret in quotation marks"},
		misread{nil, "empty: the receiver's setting that should hold the secret is not set"},
	)
	right := s.key
	if scheme == SchemeBody {
		right = []byte(s.text)
	}
	kept := all[:0]
	for _, m := range all {
		if !hmac.Equal(m.key, right) {
			kept = append(kept, m)
		}
	}
	return kept
}

// loosely decodes base64 as lenient decoders do, which pass over a character too many at the end.
func loosely(text string) []byte {
	text = strings.TrimRight(text, "=")
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	// What the alphabet lacks is replaced by the caller; what is left decodes.
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return []byte(text)
	}
	return b
}
