package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"recado/acs/client"
	"recado/acs/wire"
)

// dial makes a client of the server at base; it connects to nothing yet.
func dial(base, token string) (*client.Client, error) {
	c, err := client.New(base, token, client.WithUserAgent("recado/"+versionText()))
	if err != nil {
		return nil, usageError{fmt.Errorf("--url: %w; want one such as http://127.0.0.1:8080", err)}
	}
	return c, nil
}

// dial makes a client from the flags.
func (c connection) dial() (*client.Client, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return dial(c.URL, token)
}

// allClients lists all API clients.
func allClients(ctx context.Context, c *client.Client) ([]wire.Client, error) {
	return client.All(ctx, 0, func(ctx context.Context, p client.Page) (wire.List[wire.Client], error) { return c.Clients(ctx, p) })
}

// clientID finds an API client by its name or id.
func clientID(ctx context.Context, c *client.Client, name string) (string, error) {
	list, err := allClients(ctx, c)
	if err != nil {
		return "", err
	}
	for _, one := range list {
		if one.Name == name || one.ID == name {
			return one.ID, nil
		}
	}
	return "", fmt.Errorf("no client is called %q; recado client list shows them", name)
}

// hints say what to try after a refusal.
var hints = map[string]string{
	wire.CodeUnauthenticated: "check RECADO_TOKEN, or --token-file; the server's first admin token is in the file that its log names",
	wire.CodeBlocked:         "an administrator can let it in again: recado client block --unblock NAME",
	wire.CodeScope:           "an administrator can make a client that may: recado client add NAME --scopes SCOPE,SCOPE",
	wire.CodeDeviceNotFound:  "recado devices --search TEXT finds devices",
	wire.CodeDeviceAmbiguous: "give the device id",
}

// advised is an error that knows what to try.
type advised struct {
	error
	try []string // lines
}

func (a advised) Unwrap() error { return a.error }

// explain writes an error for people, with what to try where that is known.
func explain(err error) string {
	var network *net.OpError
	var a advised
	switch hint := hints[client.Code(err)]; {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &a):
		return clean(err.Error()) + "\n  try: " + strings.Join(a.try, "\n       ")
	case hint != "":
		return clean(err.Error()) + "\n  try: " + hint
	case errors.As(err, &network) && network.Op == "dial":
		return clean(err.Error()) + "\n  try: recado serve, or another server by RECADO_URL or --url"
	}
	return clean(err.Error())
}
