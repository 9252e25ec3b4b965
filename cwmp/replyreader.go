package cwmp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// maxReplyHeader bounds all that is read of a reply before its body, interim replies included.
	maxReplyHeader = 64 << 10
	// maxReplyBody bounds what is read of a body, to let the device finish its writing.
	maxReplyBody = 4 << 10
	// maxInterim bounds how many 1xx replies are skipped.
	maxInterim = 8
)

// errNoHTTP is a reply that is no HTTP, or too much of it.
var errNoHTTP = errors.New("answer is no HTTP")

// deviceReply is the status and the challenges of a device's answer to a connection request.
type deviceReply struct {
	status        int
	challenges    []string // WWW-Authenticate headers, unfolded
	contentLength string
}

// replyReader reads HTTP replies as devices write them, which net/http's client refuses (it gives "unexpected EOF" for those
// of tr069agent): bare line feeds, no blank line after the header but a close, headers folded over several lines with or
// without a blank in front, stray line breaks before the status line, HTTP/1.0.
type replyReader struct {
	in   *bufio.Reader
	left int
	// heard is called for the status line of the final reply and each line after it: silence ends the header then.
	heard func()
}

func newReplyReader(r io.Reader, heard func()) *replyReader {
	return &replyReader{in: bufio.NewReaderSize(r, 4<<10), left: maxReplyHeader, heard: heard}
}

// read reads one final reply up to its body. Errors wrap errNoHTTP, or are those of the connection where no status line came
// or a 401 came without its challenge.
func (r *replyReader) read() (deviceReply, error) {
	for range maxInterim {
		status, err := r.statusLine()
		if err != nil {
			return deviceReply{}, err
		}
		if status >= 200 {
			return r.header(status)
		}
		if _, err := r.header(status); err != nil {
			return deviceReply{}, err
		}
	}
	return deviceReply{}, fmt.Errorf("%w: too many interim replies", errNoHTTP)
}

// line reads one line without its end. At the end of the input it returns what there is with io.EOF.
func (r *replyReader) line() (string, error) {
	var b strings.Builder
	for {
		part, err := r.in.ReadSlice('\n')
		if r.left -= len(part); r.left < 0 {
			return "", fmt.Errorf("%w: header is too large", errNoHTTP)
		}
		b.Write(part)
		if err == bufio.ErrBufferFull {
			continue
		}
		// A carriage return inside a line is a device's mistake (ARRIS), not an end of line.
		return strings.ReplaceAll(strings.TrimRight(b.String(), "\r\n"), "\r", " "), err
	}
}

func (r *replyReader) statusLine() (int, error) {
	for {
		line, err := r.line()
		if err != nil && (line == "" || errors.Is(err, errNoHTTP)) {
			return 0, err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		status, malformed := parseStatusLine(line)
		if malformed != nil && err != nil && err != io.EOF {
			return 0, err // half a line, broken off: no answer rather than a wrong one
		}
		return status, malformed
	}
}

// parseStatusLine takes "HTTP/" with any version and three digits after a blank.
func parseStatusLine(line string) (int, error) {
	line = strings.TrimSpace(line)
	version, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " \t")
	if len(version) < 5 || !strings.EqualFold(version[:5], "HTTP/") || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' && rest[3] != '\t' {
		return 0, errNoHTTP
	}
	status := 0
	for _, c := range []byte(rest[:3]) {
		if c < '0' || c > '9' {
			return 0, errNoHTTP
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return 0, errNoHTTP
	}
	return status, nil
}

// header reads header fields up to a blank line, the end of the input, or an error of the connection: what is there by
// then is the header, except where a 401 has no challenge yet.
func (r *replyReader) header(status int) (deviceReply, error) {
	reply := deviceReply{status: status}
	var field strings.Builder
	flush := func() {
		name, value, _ := strings.Cut(field.String(), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "www-authenticate":
			reply.challenges = append(reply.challenges, value)
		case "content-length":
			reply.contentLength = value
		}
		field.Reset()
	}
	for {
		if status >= 200 {
			r.heard()
		}
		line, err := r.line()
		if errors.Is(err, errNoHTTP) {
			return reply, err
		}
		if line != "" {
			if field.Len() > 0 && isContinuation(line) {
				field.WriteByte(' ')
			} else {
				flush()
			}
			field.WriteString(line)
		}
		if err == nil && strings.TrimSpace(line) != "" {
			continue
		}
		flush()
		switch {
		case err == nil, err == io.EOF && status >= 200:
			return reply, nil
		case status < 200, status == http.StatusUnauthorized && len(reply.challenges) == 0:
			return reply, err
		}
		return reply, nil
	}
}

// isContinuation reports whether a line goes on with the field before it: it starts with a blank, or has no field name.
func isContinuation(line string) bool {
	if line[0] == ' ' || line[0] == '\t' {
		return true
	}
	name, _, ok := strings.Cut(line, ":")
	return !ok || strings.ContainsAny(name, "\"=, \t")
}
