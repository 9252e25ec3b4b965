package main

import (
	"context"
	"fmt"

	"recado/cmd/internal/app"
)

type dumpCmd struct {
	Store string `name:"store" default:"${store}" placeholder:"URL" help:"The store (${default})."`
}

// Run prints a store's records, one JSON object a line.
func (c *dumpCmd) Run(ctx context.Context, s streams) error {
	if err := app.Dump(ctx, c.Store, s.out); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	return nil
}
