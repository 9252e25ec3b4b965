package acs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"recado/cwmp"
)

// Provision is what a device is given on first contact, and again when it comes from its factory state.
type Provision struct {
	// ConnectionRequest gives each device a connection-request password of its own (128 random bits), unless the provider put
	// credentials for it.
	ConnectionRequest bool
	// PeriodicInform switches periodic Informs on with this interval; 0 leaves them alone.
	PeriodicInform time.Duration
}

// connectionRequestUser is the user name that devices are given; the password is each one's own.
const connectionRequestUser = "recado"

// nextProvision gives the request that provisions the device, nil where none is due.
func (h *Sessions) nextProvision(_ context.Context, c *conversation) (cwmp.Message, error) {
	p := h.cfg.Provision
	facts := &c.device.Facts
	first := facts.ProvisionedAt.IsZero() && (facts.ConnectionRequest.IsZero() || !p.ConnectionRequest)
	again := !facts.ProvisionedAt.IsZero() && (c.facts.bootstrapped || h.unprovisioned.has(c.device.ID))
	if c.provisioned || !p.ConnectionRequest && p.PeriodicInform == 0 || !first && !again {
		return nil, nil
	}
	c.provisioned = true
	base := c.rootOf() + "ManagementServer."
	m := &cwmp.SetParameterValues{}
	set := func(name, typ, value string) {
		m.ParameterList = append(m.ParameterList, cwmp.ParameterValue{Name: base + name, Type: typ, Value: value})
	}
	if p.ConnectionRequest {
		if facts.ConnectionRequest.IsZero() {
			b := make([]byte, 16)
			if _, err := rand.Read(b); err != nil {
				return nil, fmt.Errorf("make connection-request password: %w", err)
			}
			facts.ConnectionRequest = Credential{Username: connectionRequestUser, Password: hex.EncodeToString(b)}
		}
		set("ConnectionRequestUsername", "xsd:string", facts.ConnectionRequest.Username)
		set("ConnectionRequestPassword", "xsd:string", facts.ConnectionRequest.Password)
	}
	if p.PeriodicInform > 0 {
		set("PeriodicInformEnable", "xsd:boolean", "1")
		set("PeriodicInformInterval", "xsd:unsignedInt", strconv.Itoa(int(p.PeriodicInform.Seconds())))
	}
	c.purpose = purposeProvision
	return m, nil
}

// provisionAnswer keeps what the device took. Credentials are stored only now: where the process dies in between, the device is given
// new ones at its next session.
func (h *Sessions) provisionAnswer(ctx context.Context, c *conversation, response cwmp.Message) error {
	h.unprovisioned.remove(c.device.ID)
	if f, ok := response.(*cwmp.Fault); ok {
		h.log.Warn("the device refused to be provisioned", "device", c.device.ID, "fault", f.FaultCode)
		return nil
	}
	for range 16 {
		d, err := h.s.store.Device(ctx, c.device.ID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("read device: %w", err)
		}
		facts, now := d.Facts, time.Now()
		if h.cfg.Provision.ConnectionRequest {
			facts.ConnectionRequest = c.device.Facts.ConnectionRequest
		}
		facts.ProvisionedAt, facts.UpdatedAt = now, now
		if facts.CreatedAt.IsZero() {
			facts.CreatedAt = now
		}
		if _, err = h.s.store.PutFacts(ctx, c.device.ID, c.device.Identity, facts); err == nil {
			h.log.Info("device provisioned", "device", c.device.ID)
			h.s.rings.renew(c.device.ID)
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("store credentials: %w", err)
		}
	}
	return ErrConflict
}
