package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"recado/cmd/internal/app"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitTimeout = 3
)

// cli is the whole command line. Each flag has an environment variable (RECADO_API_LISTEN for --api-listen) and is a key of the
// file that --config names; a flag goes before the environment, the environment before the file, the file before the default.
type cli struct {
	Config string `name:"config" placeholder:"FILE" help:"YAML file with a key for each flag ('api-listen: 127.0.0.1:8080')."`

	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Demo     demoCmd     `cmd:"" help:"See the whole job on this machine, with a simulated device and a receiver."`
	Simulate simulateCmd `cmd:"" help:"Run a fleet of simulated devices against a server."`
	Listen   listenCmd   `cmd:"" help:"Receive webhooks: registers itself, verifies signatures, prints what arrives."`

	Reboot  rebootCmd  `cmd:"" help:"Ask a device to reboot."`
	Set     setCmd     `cmd:"" help:"Set parameters of a device."`
	Status  statusCmd  `cmd:"" help:"Show where a request is."`
	Devices devicesCmd `cmd:"" help:"List devices, or show one."`
	Webhook webhookCmd `cmd:"" help:"Manage webhook endpoints: where results are told."`
	Client  clientCmd  `cmd:"" help:"Manage API clients (needs an admin token)."`
	Audit   auditCmd   `cmd:"" help:"Show and check the record of who did what."`

	Dump    dumpCmd    `cmd:"" help:"Print what a store holds, secrets left out; the server must not be running."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are the standard ones, or a test's.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// errTimedOut makes a command that waited exit with 3; what happened is printed already.
var errTimedOut = errors.New("timed out")

// errReported makes a command exit with 1; what happened is printed already.
var errReported = errors.New("reported")

// exitCode is thrown by kong's exit, which --help calls.
type exitCode int

// run runs one command and gives the exit code.
func run(ctx context.Context, args []string, s streams) (code int) {
	defer func() {
		if c, ok := recover().(exitCode); ok {
			code = int(c)
		}
	}()
	file, err := loadConfigFile(args)
	if err != nil {
		return report(s, nil, usageError{err})
	}
	var c cli
	vars := kong.Vars(app.Defaults())
	parser, err := kong.New(&c,
		kong.Name("recado"),
		kong.Description("Asks routers for things over TR-069, and brings back the verified result by webhook."),
		kong.DefaultEnvars("RECADO"),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exitCode(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(file),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		vars,
	)
	if err != nil {
		return report(s, nil, err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return report(s, args, usageError{err})
	}
	return report(s, args, parsed.Run())
}

// report prints an error and gives the exit code that it means.
func report(s streams, args []string, err error) int {
	var usage usageError
	var field *app.FieldError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTimedOut):
		return exitTimeout
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage), errors.As(err, &field):
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, " ") { // else it goes on from the line before
				line = "recado: " + line
			}
			fmt.Fprintln(s.err, strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintf(s.err, "try: recado %s--help\n", commandOf(args))
		return exitUsage
	}
	fmt.Fprintf(s.err, "recado: %s\n", explain(err))
	return exitFailed
}

// commandOf is the first word, where it is one of the commands, with a blank behind.
func commandOf(args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	for _, name := range []string{"serve", "demo", "simulate", "listen", "reboot", "set", "status", "devices", "webhook", "client", "audit", "dump", "version"} {
		if args[0] == name {
			return name + " "
		}
	}
	return ""
}
