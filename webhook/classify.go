package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// ErrRefusedAddress is wrapped by the error of a Doer whose guard does not let it connect to where the URL points.
var ErrRefusedAddress = errors.New("the address is not allowed")

// maxErrorText bounds what an attempt's Error may take from an error of the network, in bytes.
const maxErrorText = 300

// Classify names why a Doer gave no answer, with a sentence fit for the endpoint's owner: it holds no URL, no address behind
// a refusal and nothing unprintable. It returns "" and "" for nil.
func Classify(err error) (ErrorClass, string) {
	if err == nil {
		return "", ""
	}
	if errors.Is(err, ErrRefusedAddress) {
		return ErrorRefused, "the host name points at an address where webhooks may not go"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		// The text of a DNSError would name the server that was asked.
		return ErrorDNS, printable("looking up "+dns.Name+": "+dns.Err, maxErrorText)
	}
	if isTimeout(err) {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return ErrorTimeout, "no connection in time"
		}
		return ErrorTimeout, "no answer in time"
	}
	text := printable(rootText(err), maxErrorText)
	if isTLS(err, text) {
		return ErrorTLS, text
	}
	if isConnect(err, text) {
		return ErrorConnect, text
	}
	var p *panicError
	if errors.As(err, &p) || errors.Is(err, context.Canceled) {
		return ErrorInternal, "the attempt was broken off"
	}
	return ErrorAnswer, text
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isTLS(err error, text string) bool {
	var (
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &unknown),
		errors.As(err, &host), errors.As(err, &invalid), errors.Is(err, http.ErrSchemeMismatch):
		return true
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		// How crypto/tls reports alerts, whose type it does not export.
		return true
	}
	return strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "x509: ")
}

func isConnect(err error, text string) bool {
	for _, e := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.ECONNABORTED, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var op *net.OpError
	// net/http keeps the first to itself: a kept connection that the receiver closed just then.
	return errors.As(err, &op) || strings.Contains(text, "server closed idle connection") || strings.Contains(text, "GOAWAY")
}

// rootText is the error's text without what *url.Error puts before it, the method and the URL, wherever that is in the chain.
func rootText(err error) string {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if err == nil {
		return "unknown error"
	}
	return err.Error()
}

// printable returns at most limit bytes of s as valid UTF-8, with control characters, line breaks among them, and invisible
// formatting characters escaped as Go would: what a receiver sent must not steer a terminal.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		piece := string(r)
		switch {
		case r == '\n':
			piece = `\n`
		case r == '\r':
			piece = `\r`
		case r == '\t':
			piece = `\t`
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > limit {
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}

// kept is the part of an answer's body to keep. A character that the limit cut in two is left out.
func kept(body []byte) string {
	if len(body) >= MaxResponseKept {
		body = body[:MaxResponseKept]
		for i := 1; i < utf8.UTFMax && i <= len(body); i++ {
			if c := body[len(body)-i]; utf8.RuneStart(c) {
				if !utf8.FullRune(body[len(body)-i:]) {
					body = body[:len(body)-i]
				}
				break
			}
		}
	}
	return printable(string(body), MaxResponseKept)
}
