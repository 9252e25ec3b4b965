package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"recado/acs"
	"recado/acs/api"
)

// adminAuth knows the admin token that was given to the server, besides those in the store. It is never stored.
type adminAuth struct {
	api.Auth
	hash [sha256.Size]byte
	set  bool
}

// givenAdmin is the client of the given token: what it asks for stays its own over restarts.
var givenAdmin = acs.Client{ID: "cli_given_admin", Name: "RECADO_ADMIN_TOKEN", Scopes: acs.AllScopes}

func newAdminAuth(stored api.Auth, token string) api.Auth {
	if token == "" {
		return stored
	}
	return &adminAuth{Auth: stored, hash: sha256.Sum256([]byte(token)), set: true}
}

// Authenticate implements api.Auth.
func (a *adminAuth) Authenticate(ctx context.Context, token string) (acs.Client, error) {
	hash := sha256.Sum256([]byte(token))
	if a.set && subtle.ConstantTimeCompare(hash[:], a.hash[:]) == 1 {
		return givenAdmin, nil
	}
	return a.Auth.Authenticate(ctx, token)
}

// firstAdmin makes an admin client where there is no client at all and no token was given, and writes its token to the file. It
// returns the file's name if it did.
func (a *App) firstAdmin(ctx context.Context, s *acs.Service) (string, error) {
	if a.cfg.AdminToken != "" {
		return "", nil
	}
	clients, err := s.Clients(ctx)
	if err != nil || len(clients) > 0 {
		return "", err
	}
	made, err := s.CreateClient(ctx, acs.NewClient{Name: "admin", Scopes: acs.AllScopes})
	if err != nil {
		return "", fmt.Errorf("make the first admin client: %w", err)
	}
	if err := writeSecret(a.cfg.AdminTokenFile, made.Token); err != nil {
		// Without its token the client would only keep the next start from making another.
		return "", errors.Join(fmt.Errorf("write the admin token: %w", err), s.DeleteClient(ctx, made.Client.ID))
	}
	a.log.Info("an admin token was made", "file", a.cfg.AdminTokenFile)
	return a.cfg.AdminTokenFile, nil
}

// writeSecret writes a file that its owner alone can read, in one step; a file of that name is replaced.
func writeSecret(path, text string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.new") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
