package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"recado/acs/wire"
)

type webhookVerifyCmd struct {
	endpointArg `embed:""`
	Body        string   `name:"body" placeholder:"FILE" help:"The body exactly as the receiver saw it, - for standard input (empty)."`
	Headers     string   `name:"headers" placeholder:"FILE" help:"The headers as the receiver saw them: lines of NAME: VALUE, or a JSON object."`
	Header      []string `name:"header" sep:"none" placeholder:"NAME: VALUE" help:"One header; may be given many times."`
	ReceivedAt  string   `name:"received-at" placeholder:"TIME" help:"The receiver's clock when the request came, such as 2026-11-21T10:07:00Z (now)."`
}

// Run asks why a request is refused. It exits with 1 where it is.
func (c *webhookVerifyCmd) Run(ctx context.Context, s streams) error {
	in := wire.WebhookVerify{Headers: map[string]wire.HeaderValues{}, ReceivedAt: c.ReceivedAt}
	if c.Body == "-" && c.Headers == "-" {
		return usageError{errors.New("--body and --headers cannot both be standard input")}
	}
	if c.Headers == "" && len(c.Header) == 0 {
		return usageError{errors.New("no headers; want --headers FILE, or --header 'NAME: VALUE'")}
	}
	if err := c.readHeaders(s, in.Headers); err != nil {
		return err
	}
	if c.Body != "" {
		body, err := readInput(s, c.Body, wire.MaxBody)
		if err != nil {
			return fmt.Errorf("--body: %w", err)
		}
		if in.Body = string(body); !utf8.Valid(body) {
			in.Body, in.BodyBase64 = "", base64.StdEncoding.EncodeToString(body)
		}
	}
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	x, err := api.VerifyWebhook(ctx, id, in)
	if err != nil {
		return err
	}
	if c.json() {
		err = printJSON(s.out, x)
	} else {
		printVerified(s.out, x)
	}
	if err == nil && !x.Accepted {
		err = errReported
	}
	return err
}

func (c *webhookVerifyCmd) readHeaders(s streams, to map[string]wire.HeaderValues) error {
	if c.Headers != "" {
		text, err := readInput(s, c.Headers, 1<<18)
		if err != nil {
			return fmt.Errorf("--headers: %w", err)
		}
		text = bytes.TrimSpace(text)
		if bytes.HasPrefix(text, []byte("{")) {
			if err := json.Unmarshal(text, &to); err != nil {
				return usageError{errors.New("--headers: want a JSON object of names and values, or lines of NAME: VALUE")}
			}
		} else if err := addHeaders(to, strings.Split(string(text), "\n"), true); err != nil {
			return usageError{fmt.Errorf("--headers: %w", err)}
		}
	}
	if err := addHeaders(to, c.Header, false); err != nil {
		return usageError{fmt.Errorf("--header: %w", err)}
	}
	return nil
}

// addHeaders reads NAME: VALUE. A dump of a request may begin with its request line.
func addHeaders(to map[string]wire.HeaderValues, lines []string, dump bool) error {
	for i, line := range lines {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, ":")
		requestLine := dump && i == 0 && strings.Contains(line, " HTTP/")
		switch {
		case line == "" || requestLine:
		case !ok || strings.TrimSpace(name) == "":
			return fmt.Errorf("line %d is not NAME: VALUE", i+1)
		default:
			name = strings.ToLower(strings.TrimSpace(name))
			to[name] = append(to[name], strings.TrimSpace(value))
		}
	}
	return nil
}

func printVerified(w io.Writer, x wire.WebhookVerified) {
	verdict := "refused"
	if x.Accepted {
		verdict = "accepted"
	}
	if x.AgeSeconds != nil && *x.AgeSeconds >= 0 {
		verdict += fmt.Sprintf(", signed %d s before", *x.AgeSeconds)
	} else if x.AgeSeconds != nil {
		verdict += fmt.Sprintf(", signed %d s ahead of the clock", -*x.AgeSeconds)
	}
	fmt.Fprintln(w, verdict)
	for _, m := range x.Matches {
		fmt.Fprintf(w, "right: %s, by the %s secret (%s)\n", clean(m.Header), m.Secret, m.Scheme)
	}
	for _, f := range x.Findings {
		fmt.Fprintf(w, "%s: %s\n  try: %s\n", f.Code, clean(f.Problem), clean(f.Advice))
	}
}

// readInput reads a file, or standard input for "-", of at most limit bytes.
func readInput(s streams, name string, limit int64) ([]byte, error) {
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return b, err
}
