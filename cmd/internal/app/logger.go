package app

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// NewLogger makes a logger for --log-format and --log-level. Unknown values are json and info.
func NewLogger(w io.Writer, format, level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// muted makes what is info debug: the engine and the CWMP server each tell of a session's end, and one line is enough.
type muted struct{ slog.Handler }

func mute(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

// Enabled implements slog.Handler.
func (m muted) Enabled(ctx context.Context, l slog.Level) bool {
	return m.Handler.Enabled(ctx, mute(l))
}

// Handle implements slog.Handler.
func (m muted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = mute(r.Level)
	return m.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (m muted) WithAttrs(a []slog.Attr) slog.Handler { return muted{m.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (m muted) WithGroup(name string) slog.Handler { return muted{m.Handler.WithGroup(name)} }

// warnRoot warns who runs a server as root: nothing in it needs to be.
func warnRoot(log *slog.Logger) {
	if os.Geteuid() == 0 {
		log.Warn("running as root; nothing here needs it, so rather run it as a user of its own")
	}
}
