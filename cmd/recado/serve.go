package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	a, err := app.New(c.Config, app.Options{Logger: app.NewLogger(s.err, c.LogFormat, c.LogLevel), Version: versionText()})
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
