package cwmp

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// largeBody is the size from which messages are decoded a few at a time only.
const largeBody = 256 << 10

var (
	errEncoding = errors.New("content encoding that is not read")
	errBusy     = errors.New("too much at once")
	errRead     = errors.New("message was not read to its end")
)

// byteBudget bounds the bytes held by all requests together.
type byteBudget struct {
	max  int64
	used atomic.Int64
}

func (b *byteBudget) take(n int64) bool {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return false
	}
	return true
}

// readBody reads the whole body, inflated, within Limits.Bytes before and after inflating (TR-069 3.4.7). release gives the
// memory back to the budget and must be called in every case. Errors wrap ErrTooLarge, ErrMalformed, errEncoding, errBusy
// or errRead.
func (x *exchange) readBody() (body []byte, release func(), err error) {
	var held int64
	release = func() { x.held.used.Add(-held) }
	limit := x.cfg.Limits.Bytes
	if x.r.ContentLength > limit {
		return nil, release, fmt.Errorf("%w: body of %d bytes", ErrTooLarge, x.r.ContentLength)
	}
	if x.r.ContentLength == 0 {
		return nil, release, nil
	}
	started := time.Now()
	src, err := inflate(http.MaxBytesReader(x.w, x.r.Body, limit), x.r.Header["Content-Encoding"])
	if err == nil {
		body, err = readAll(src, x.r.ContentLength, limit, func(n int64) bool {
			ok := x.held.take(n)
			if ok {
				held += n
			}
			return ok
		})
	}
	if err == nil && time.Since(started) > time.Second {
		// The rest of the time for reading would else run on while the handler works, and count as a lost connection.
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
	}
	return body, release, err
}

// readAll reads in growing steps, each of which take must allow: a length that is only announced costs nothing. What it
// gives back goes to take as a negative number.
func readAll(src io.Reader, length, limit int64, take func(int64) bool) ([]byte, error) {
	size := int64(4 << 10)
	if length > 0 {
		size = min(length+1, 64<<10)
	}
	if !take(size) {
		return nil, errBusy
	}
	buf := make([]byte, 0, size)
	for {
		if len(buf) == cap(buf) {
			grown := min(2*int64(cap(buf)), limit+1)
			if !take(grown) {
				return nil, errBusy
			}
			old := int64(cap(buf))
			buf = append(make([]byte, 0, grown), buf...)
			take(-old)
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, readError(err)
		}
	}
}

// readError sorts the errors of bodies and inflaters.
func readError(err error) error {
	var tooLarge *http.MaxBytesError
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, tooLarge.Limit)
	case errors.As(err, &corrupt), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum),
		errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary):
		return fmt.Errorf("%w: content encoding is broken", ErrMalformed)
	}
	return fmt.Errorf("%w: %w", errRead, err)
}

// inflate undoes the content encoding: one of gzip and deflate, the latter with or without its zlib header.
func inflate(body io.Reader, encodings []string) (io.Reader, error) {
	if len(encodings) > 1 {
		return nil, errEncoding
	}
	encoding := ""
	if len(encodings) == 1 {
		encoding = strings.ToLower(strings.TrimSpace(encodings[0]))
	}
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip", "deflate":
	default:
		return nil, errEncoding
	}
	in := bufio.NewReader(body)
	head, err := in.Peek(2)
	if len(head) == 0 && err == io.EOF {
		return in, nil // an empty POST
	}
	if err != nil {
		return nil, readError(err)
	}
	var out io.Reader
	switch {
	case encoding != "deflate":
		out, err = gzip.NewReader(in)
	case head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		out, err = zlib.NewReader(in)
	default:
		out = flate.NewReader(in)
	}
	if err != nil {
		return nil, readError(err)
	}
	return out, nil
}
