package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"recado/acs"
	"recado/store/boltstore"
	"recado/store/seal"
)

// ErrUnchecked is a store that another process has open, so that Check could not look into it.
var ErrUnchecked = errors.New("not checked, since another process has the store open: " +
	"whether it can be opened, and whether a device has a credential of its own")

// Check tells what Run would refuse once it has the store, without changing anything: a store that is there is opened for reading
// only, and none is made. ErrUnchecked is neither a yes nor a no. Whether the addresses are free is not checked.
func (a *App) Check(_ context.Context) error {
	found := false
	if !a.cfg.inMemory() {
		keys, err := a.keysForCheck()
		if err != nil {
			return err
		}
		_, err = boltstore.Inspect(a.cfg.boltPath(), boltstore.Options{Keys: keys}, func(f acs.Facts) bool {
			found = !f.CWMPAuth.IsZero()
			return !found
		})
		if errors.Is(err, boltstore.ErrLocked) {
			return ErrUnchecked
		}
		if err != nil {
			return fmt.Errorf("--store: %w", err)
		}
	}
	if found || !a.needsDeviceCredential() {
		return nil
	}
	return a.noCredential()
}

// keysForCheck loads a key file that is not beside the store; nil where it is beside it, or would be made with a new store.
func (a *App) keysForCheck() (*seal.Keys, error) {
	if a.cfg.KeyFile == a.cfg.boltPath()+".key" {
		return nil, nil
	}
	keys, err := seal.Load(a.cfg.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.missingKey()
	}
	return keys, err
}

// needsDeviceCredential reports whether devices can come in by credentials of their own only, which are in the store.
func (a *App) needsDeviceCredential() bool {
	return a.cfg.CWMPAuth != authNone && len(a.credentials) == 0 && a.cfg.CWMPCredentialsFile == ""
}

// checkCredentials refuses to start a server that no device could ever get into.
func (a *App) checkCredentials(ctx context.Context, p *parts) error {
	if !a.needsDeviceCredential() {
		if a.cfg.CWMPAuth != authNone && len(a.credentials) == 0 {
			a.log.Warn("the credentials file is empty: devices get in by credentials of their own only (PUT /api/v1/devices/{id})")
		}
		return nil
	}
	f := acs.DeviceFilter{Limit: 1000}
	for {
		page, next, err := p.db.Devices(ctx, f)
		if err != nil {
			return err
		}
		for _, d := range page {
			if !d.Facts.CWMPAuth.IsZero() {
				return nil
			}
		}
		if next == "" {
			return a.noCredential()
		}
		f.Cursor = next
	}
}

// noCredential tells the ways out as commands: it is the first thing that a newcomer sees of a plain "recado serve".
func (a *App) noCredential() error {
	token := "$(cat " + a.cfg.AdminTokenFile + ")"
	if a.cfg.AdminToken != "" {
		token = "$RECADO_ADMIN_TOKEN"
	}
	scheme := "http"
	if a.apiTLS != nil {
		scheme = "https"
	}
	lines := []string{
		"is " + a.cfg.CWMPAuth + ", and there is no credential that a device could come with. Ways out:",
		"to try it on this machine, without authentication:",
		"  recado serve --dev",
		"one credential for all devices:",
		"  (umask 077 && echo 'cpe:PASSWORD' > cpe-credentials)",
		"  recado serve --cwmp-credentials-file cpe-credentials",
		"a credential for each device, by the API; the empty file says that they come so:",
		"  (umask 077 && : > cpe-credentials)",
		"  recado serve --cwmp-credentials-file cpe-credentials",
		fmt.Sprintf(`  curl -X PUT %s://%s/api/v1/devices/DEVICE_ID -H "Authorization: Bearer %s" `, scheme, a.cfg.APIListen, token) +
			`-H 'Content-Type: application/json' -d '{"cwmp_auth": {"username": "USER", "password": "PASSWORD"}}'`,
	}
	return badField("cwmp-auth", "%s", strings.Join(lines, "\n  "))
}
