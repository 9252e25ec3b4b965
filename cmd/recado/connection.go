package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// connection is the flags of commands that talk to a server.
type connection struct {
	URL       string `name:"url" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server (${default})."`
	Token     string `name:"token" placeholder:"TOKEN" help:"API token; rather by RECADO_TOKEN or --token-file, since flags are seen by others."`
	TokenFile string `name:"token-file" placeholder:"FILE" help:"File that holds the API token, such as the server's admin-token."`
}

// output is the flag of commands that print things.
type output struct {
	Output string `name:"output" short:"o" enum:"table,json" default:"table" help:"table or json (${default})."`
}

func (o output) json() bool { return o.Output == "json" }

// token gives the token, from wherever it was given.
func (c connection) token() (string, error) {
	switch {
	case c.Token != "":
		return c.Token, nil
	case c.TokenFile == "":
		return "", usageError{errors.New("no token; want one in RECADO_TOKEN, in a file named by --token-file, or by --token")}
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("--token-file %s is empty", c.TokenFile)
	}
	return token, nil
}
