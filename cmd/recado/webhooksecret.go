package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"recado/acs/wire"
)

func printSecret(s streams, secret, standard string) {
	fmt.Fprintf(s.out, "secret %s\n", secret)
	if standard != secret {
		fmt.Fprintf(s.out, "standard_secret %s\n", standard)
	}
}

// ownSecret reads a secret from a file; without one it is empty.
func ownSecret(s streams, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := readInput(s, file, 4096)
	if err != nil {
		return "", fmt.Errorf("--secret-file: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", errors.New("--secret-file is empty")
	}
	return secret, nil
}

type webhookSecretCmd struct {
	endpointArg `embed:""`
}

// Run shows secrets.
func (c *webhookSecretCmd) Run(ctx context.Context, s streams) error {
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	w, err := api.WebhookSecret(ctx, id)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, w)
	}
	printSecret(s, w.Secret, w.StandardSecret)
	if w.OldSecretUntil != nil {
		fmt.Fprintf(s.out, "old_secret %s\nold_secret_until %s\n", w.OldSecret, stamp(*w.OldSecretUntil))
	}
	return nil
}

type webhookRotateCmd struct {
	endpointArg `embed:""`
	SecretFile  string        `name:"secret-file" placeholder:"FILE" help:"File with a secret of your own, - for standard input (one is made)."`
	Overlap     time.Duration `name:"overlap" default:"24h" help:"How long the old secret signs too, 0s to 168h (${default})."`
}

// Run rotates the secret.
func (c *webhookRotateCmd) Run(ctx context.Context, s streams) error {
	if c.Overlap < 0 || c.Overlap%time.Second != 0 || c.Overlap > wire.MaxOverlapSeconds*time.Second {
		return usageError{fmt.Errorf("--overlap %s is none; want whole seconds, 0s to 168h", c.Overlap)}
	}
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	secret, err := ownSecret(s, c.SecretFile)
	if err != nil {
		return err
	}
	overlap := int(c.Overlap / time.Second)
	w, err := api.RotateWebhook(ctx, id, wire.WebhookRotate{Secret: secret, OverlapSeconds: &overlap})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, w)
	}
	printSecret(s, w.Secret, w.StandardSecret)
	if w.RotationUntil != nil {
		fmt.Fprintf(s.err, "The old secret signs too until %s. Give the receiver the new one, then: recado webhook promote %s\n", stamp(*w.RotationUntil), w.ID)
	}
	return nil
}

type webhookPromoteCmd struct {
	endpointArg `embed:""`
}

// Run ends a rotation.
func (c *webhookPromoteCmd) Run(ctx context.Context, s streams) error {
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	w, err := api.PromoteWebhook(ctx, id)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, w)
	}
	fmt.Fprintf(s.out, "webhook %s signs with its new secret alone\n", w.ID)
	return nil
}
