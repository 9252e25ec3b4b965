package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// query reads the parameters of a query; the first mistake is kept, and told by done.
type query struct {
	values url.Values
	known  []string
	err    error
}

func queryOf(c echo.Context) *query {
	q := &query{}
	var err error
	if q.values, err = url.ParseQuery(c.Request().URL.RawQuery); err != nil {
		q.fail("query", "is not well formed")
	}
	return q
}

func (q *query) fail(name, problem string) {
	if q.err == nil {
		q.err = &acs.InvalidError{Field: name, Problem: problem}
	}
}

// text is one value, "" where there is none.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	given := q.values[name]
	switch {
	case len(given) == 0:
		return ""
	case len(given) > 1:
		q.fail(name, "comes twice")
	case !utf8.ValidString(given[0]) || strings.ContainsRune(given[0], 0):
		q.fail(name, "is not valid UTF-8")
	case len(given[0]) > 1024:
		q.fail(name, "is too long")
	case given[0] == "":
		q.fail(name, "is empty; leave it out instead")
	}
	return given[0]
}

// oneOf is one of some words.
func (q *query) oneOf(name string, words ...string) string {
	v := q.text(name)
	if v != "" && !slices.Contains(words, v) {
		q.fail(name, "want one of "+strings.Join(words, ", "))
	}
	return v
}

// someOf is a list of some words, between commas.
func (q *query) someOf(name string, words ...string) []string {
	v := q.text(name)
	if v == "" {
		return nil
	}
	list := strings.Split(v, ",")
	for _, one := range list {
		if len(words) > 0 && !slices.Contains(words, one) {
			q.fail(name, "want some of "+strings.Join(words, ", ")+", with commas between")
		}
	}
	return list
}

// time is an RFC 3339 time, zero where there is none.
func (q *query) time(name string) time.Time {
	v := q.text(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		q.fail(name, "want a time such as 2026-11-21T10:07:00Z (a + in a query is %2B)")
	}
	return t
}

// protocolo is a UUID in its usual form, "" where there is none.
func (q *query) protocolo(name string) string {
	v := q.text(name)
	if v == "" {
		return ""
	}
	id, err := acs.ParseProtocolo(v)
	if err != nil {
		q.fail(name, "want a UUID")
	}
	return id.String()
}

// page is ?limit= and ?cursor=.
func (q *query) page() (limit int, cursor string) {
	limit = wire.DefaultPage
	if v := q.text("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > wire.MaxPage {
			q.fail("limit", fmt.Sprintf("want a number from 1 to %d", wire.MaxPage))
		}
		limit = n
	}
	return limit, q.text("cursor")
}

// wait is a duration such as 30s (or whole seconds), 0 where there is none. Up to wire.MaxWaitSeconds may be asked for always, and cut
// to longest.
func (q *query) wait(longest time.Duration) time.Duration {
	v := q.text("wait")
	if v == "" {
		return 0
	}
	most := max(longest, wire.MaxWaitSeconds*time.Second)
	d, err := time.ParseDuration(v)
	if n, numErr := strconv.Atoi(v); numErr == nil {
		d, err = time.Duration(min(max(n, -1), int(most/time.Second)+1))*time.Second, nil
	}
	if err != nil || d < 0 || d > most {
		q.fail("wait", fmt.Sprintf("want a duration from 0s to %ds, such as 30s", int(most/time.Second)))
	}
	return min(d, longest)
}

// done tells the first mistake; a parameter that nobody asked for is one.
func (q *query) done() error {
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			what := "is unknown here"
			if len(q.known) > 0 {
				what += "; known are " + strings.Join(q.known, ", ")
			}
			q.fail(clip(strings.ToValidUTF8(name, "?"), maxPathKey), what)
		}
	}
	return q.err
}

// noQuery is for requests that take no parameters.
func noQuery(c echo.Context) error { return queryOf(c).done() }

// param is a name out of the path, decoded.
func param(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	decoded, err := url.PathUnescape(v)
	if err != nil {
		return v
	}
	return decoded
}

// deviceID is the device id in the path. An id holds percent signs of its own, so that in a URL they have to be escaped once more; one
// that was pasted in as it is can be told by its being no device id once decoded.
func deviceID(c echo.Context) string {
	v := param(c, "id")
	if _, err := acs.ParseDeviceID(v); err == nil {
		return v
	}
	segment := c.Request().URL.EscapedPath()
	segment = segment[strings.LastIndexByte(segment, '/')+1:]
	if _, err := acs.ParseDeviceID(segment); err == nil {
		return segment
	}
	return v
}
