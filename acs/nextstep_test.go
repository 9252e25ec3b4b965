package acs_test

import (
	"strings"
	"testing"

	"recado/acs"
	"recado/cwmp"
)

func TestNextStepWhilePending(t *testing.T) {
	for name, c := range map[string]struct {
		stage acs.Stage
		ring  *acs.Ring
		want  string
	}{
		"never rung":                 {acs.StageQueued, nil, "Waiting for the device to be reached, or to call in by itself."},
		"rung, and put back":         {acs.StageQueued, &acs.Ring{}, "Waiting for the device to be reached, or to call in by itself."},
		"the ring failed":            {acs.StageQueued, &acs.Ring{Reason: cwmp.RequestDNS}, "failed, since the host name in the device's URL does not resolve. It is tried again"},
		"sent, perhaps not for good": {acs.StageSent, nil, "sent again only if the device proves that it did not reboot"},
	} {
		a := acs.Action{Kind: acs.KindReboot, Status: acs.StatusPending, Stage: c.stage, Ring: c.ring}
		if got := acs.NextStep(a, nil); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q in it", name, got, c.want)
		}
	}
}
