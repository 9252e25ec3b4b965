package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// Keys of the echo context.
const (
	keyRequestID = "request_id"
	keyClient    = "client"
)

// observe is around everything: it gives the request its id, turns panics and errors into replies, and writes the one line of
// the access log. The line has neither bodies nor queries nor headers.
func (a *API) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		id := requestID(c.Request().Header)
		c.Set(keyRequestID, id)
		h := c.Response().Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		c.Response().Before(func() { allowHead(h) })

		err := recovered(next)(c)
		if err != nil {
			a.refuse(err, c)
		}
		a.log(c, start, err)
		if err != nil && isPanic(err) && c.Response().Committed && c.Response().Status < http.StatusInternalServerError {
			// A part of a good answer is out: only a broken connection can tell the client that the rest is not coming.
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}

// allowHead adds HEAD, which the router does not know of, to a list of methods with GET.
func allowHead(h http.Header) {
	allow := strings.Split(h.Get(echo.HeaderAllow), ", ")
	if at := slices.Index(allow, http.MethodGet); at >= 0 && !slices.Contains(allow, http.MethodHead) {
		h.Set(echo.HeaderAllow, strings.Join(slices.Insert(allow, at+1, http.MethodHead), ", "))
	}
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

// Error implements error. It tells the type of what was thrown, since the value may hold anything.
func (p *panicError) Error() string {
	if err, ok := p.value.(error); ok {
		return fmt.Sprintf("panic: %T", err)
	}
	return fmt.Sprintf("panic: %T", p.value)
}

func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like that
					panic(v)
				}
				err = &panicError{v, debug.Stack()}
			}
		}()
		return next(c)
	}
}

func (a *API) log(c echo.Context, start time.Time, err error) {
	r, w := c.Request(), c.Response()
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", clip(r.URL.Path, 200)), slog.String("route", c.Path()),
		slog.Int("status", w.Status), slog.Int64("bytes", w.Size),
		slog.Duration("duration", time.Since(start)), slog.String("remote", sourceOf(r)),
		slog.String("request_id", c.Response().Header().Get("X-Request-Id")),
	}
	if who, ok := c.Get(keyClient).(string); ok {
		attrs = append(attrs, slog.String("client", who))
	}
	level := slog.LevelInfo
	// A long poll that its client or a stop gave up is no trouble of the server's.
	if err != nil && w.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
		if p, ok := asPanic(err); ok {
			attrs = append(attrs, slog.String("stack", string(p.stack)))
		}
	}
	a.cfg.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

const maxRequestID = 64

// requestID takes the client's X-Request-Id where it is sane, and makes one otherwise.
func requestID(h http.Header) string {
	given := h.Values("X-Request-Id")
	if len(given) == 1 && given[0] != "" && len(given[0]) <= maxRequestID && strings.IndexFunc(given[0], odd) < 0 {
		return given[0]
	}
	return uuid.NewString()
}

func odd(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:", r)
}
