package acs

import (
	"context"
	"fmt"
)

// shadows refuses to a client that is limited to tags a name by which a device is called that it does not see: its own device would
// stand before that one from then on, and get what others ask of it. Others may give any name; they see what they do.
func (s *Service) shadows(ctx context.Context, c Client, id string, p *DevicePut) error {
	if len(c.Tags) == 0 {
		return nil
	}
	for _, f := range []struct {
		field string
		name  *string
	}{{"router_id", p.RouterID}, {"pppoe_login", p.PPPoELogin}, {"mac", p.MAC}} {
		if f.name == nil || *f.name == "" {
			continue
		}
		found, err := s.store.FindDevices(ctx, *f.name)
		if err != nil {
			return fmt.Errorf("find device: %w", err)
		}
		for i := range found {
			if d := &found[i]; d.ID != id && !c.sees(d) {
				return &TakenError{Field: f.field}
			}
		}
	}
	return nil
}
