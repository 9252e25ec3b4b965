// Command recado asks routers for things over TR-069 and brings back the verified result by webhook. One binary has all: the
// server, a demonstration, simulators of both sides, and the API from a shell. Each command has a file of its own here; what a
// server is made of is in cmd/internal/app.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(mainStatus()) }

func mainStatus() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}
