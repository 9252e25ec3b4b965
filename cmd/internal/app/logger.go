package app

import (
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

// warnRoot warns who runs a server as root: nothing in it needs to be.
func warnRoot(log *slog.Logger) {
	if os.Geteuid() == 0 {
		log.Warn("running as root; nothing here needs it, so rather run it as a user of its own")
	}
}
