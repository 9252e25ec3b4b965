package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"recado/cmd/internal/app"
)

type serveCmd struct {
	app.Config `embed:""`

	Check bool `name:"check" help:"Check the configuration and the store, print the configuration with secrets masked, and end; nothing is changed."`
}

// Run runs a server until a signal.
func (c *serveCmd) Run(ctx context.Context, s streams) error {
	if err := c.Resolve(); err != nil {
		return err
	}
	logger := app.NewLogger(s.err, c.LogFormat, c.LogLevel)
	takeLog(logger)
	a, err := app.New(c.Config, app.Options{Logger: logger, Version: versionText()})
	if err != nil {
		return err
	}
	if !c.Check {
		return a.Run(ctx)
	}
	if err := a.Check(ctx); errors.Is(err, app.ErrUnchecked) {
		fmt.Fprintf(s.err, "recado: --store: %v\n", err)
	} else if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, setting := range c.Settings() {
		writeConfig(&b, setting.Name, setting.Value)
	}
	_, err = fmt.Fprint(s.out, b.String())
	return err
}

// takeLog gives what is written to the log package's own logger to ours: net/http quotes there what a receiver sent, line breaks and
// all.
func takeLog(logger *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(logger.Handler(), slog.LevelDebug).Writer())
}
