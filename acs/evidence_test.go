package acs

import (
	"testing"
	"time"

	"recado/cwmp"
)

func TestJudgeInform(t *testing.T) {
	id, err := NewProtocolo()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewProtocolo()
	if err != nil {
		t.Fatal(err)
	}
	sent := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	reboot := func(change func(*Action)) *Action {
		a := &Action{ID: id, Kind: KindReboot, Status: StatusPending, Stage: StageAccepted, SentAt: sent, SentSession: "s1", BootKey: id}
		if change != nil {
			change(a)
		}
		return a
	}
	boot, mine, foreign := cwmp.Event{EventCode: "1 BOOT"}, cwmp.Event{EventCode: "M Reboot", CommandKey: id.CommandKey()},
		cwmp.Event{EventCode: "M Reboot", CommandKey: other.CommandKey()}
	tests := []struct {
		name    string
		action  *Action
		events  []cwmp.Event
		session string
		retries string
		want    ruling
		kind    string
	}{
		{"our key", reboot(nil), []cwmp.Event{boot, mine}, "s2", "0", rulingProven, EvidenceMReboot},
		{"our key without boot", reboot(nil), []cwmp.Event{mine}, "s2", "0", rulingProven, EvidenceMReboot},
		{"our key among others", reboot(nil), []cwmp.Event{foreign, mine, boot}, "s2", "0", rulingProven, EvidenceMReboot},
		{"odd spelling", reboot(nil), []cwmp.Event{{EventCode: "m  reboot", CommandKey: id.CommandKey()}}, "s2", "0", rulingProven, EvidenceMReboot},
		{"boot alone", reboot(nil), []cwmp.Event{boot}, "s2", "0", rulingProven, EvidenceBoot},
		{"empty key", reboot(nil), []cwmp.Event{boot, {EventCode: "M Reboot"}}, "s2", "0", rulingProven, EvidenceBoot},
		{"another's key", reboot(nil), []cwmp.Event{boot, foreign}, "s2", "0", rulingForeign, ""},
		{"no boot event", reboot(nil), []cwmp.Event{{EventCode: "2 PERIODIC"}}, "s2", "0", rulingAskUptime, ""},
		{"no event", reboot(nil), nil, "s2", "1", rulingAskUptime, ""},
		{"same session", reboot(nil), []cwmp.Event{boot, mine}, "s1", "0", rulingNone, ""},
		{"not sent", reboot(func(a *Action) { a.SentAt, a.Stage = time.Time{}, StageQueued }), []cwmp.Event{boot}, "s2", "0", rulingNone, ""},
		{"sent, then proven not done", reboot(func(a *Action) { a.Stage = StageQueued }), []cwmp.Event{boot, mine}, "s2", "0", rulingProven, EvidenceMReboot},
		{"final", reboot(func(a *Action) { a.Status = StatusSuccess }), []cwmp.Event{boot, mine}, "s2", "0", rulingNone, ""},
		{"timed out, watched", reboot(func(a *Action) { a.Status, a.WatchUntil = StatusTimeout, sent.Add(25*time.Hour) }), []cwmp.Event{boot, mine}, "s2", "0", rulingProven, EvidenceMReboot},
		{"an update", reboot(func(a *Action) { a.Kind = KindParametersUpdate }), []cwmp.Event{boot}, "s2", "0", rulingNone, ""},
		{"retried boot after a sending in a boot session", reboot(func(a *Action) { a.SentInBoot = true }), []cwmp.Event{boot}, "s2", "1", rulingAskUptime, ""},
		{"retried boot after a sending in another session", reboot(nil), []cwmp.Event{boot}, "s2", "1", rulingProven, EvidenceBoot},
		{"shared boot", reboot(func(a *Action) { a.BootKey = other }), []cwmp.Event{boot, foreign}, "s2", "0", rulingProven, EvidenceMReboot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := factsOf(&cwmp.Inform{Events: tt.events, RetryCount: tt.retries}, tt.session, sent.Add(time.Minute))
			got, ev := judgeInform(tt.action, f)
			if got != tt.want {
				t.Fatalf("ruling: got %d, want %d", got, tt.want)
			}
			if (ev == nil) != (tt.kind == "") {
				t.Fatalf("evidence: got %+v, want kind %q", ev, tt.kind)
			}
			if ev != nil && (ev.Kind != tt.kind || ev.Downtime != time.Minute) {
				t.Errorf("evidence: got %s after %v, want %s after 1m", ev.Kind, ev.Downtime, tt.kind)
			}
		})
	}
}

func TestJudgeUptime(t *testing.T) {
	sent := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name          string
		after, uptime time.Duration
		booted        bool
		proven        bool
		notDone       bool
	}{
		{"booted since", 10 * time.Minute, 8 * time.Minute, false, true, false},
		{"booted since, early", time.Minute, 30 * time.Second, false, true, false},
		{"up since before", 10 * time.Minute, time.Hour, false, false, true},
		{"up since before, too early to say", 4*time.Minute + 59*time.Second, time.Hour, false, false, false},
		{"up since before, just late enough", 5 * time.Minute, time.Hour, false, false, true},
		{"in doubt, a second less", 10 * time.Minute, 10*time.Minute - time.Second, false, false, false},
		{"in doubt, a second more", 10 * time.Minute, 10*time.Minute + time.Second, false, false, false},
		{"up since before, but a boot was announced", 10 * time.Minute, time.Hour, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &Action{Kind: KindReboot, Status: StatusPending, Stage: StageSent, SentAt: sent}
			now := sent.Add(tt.after)
			ev, notDone := judgeUptime(a, informFacts{at: now, booted: tt.booted}, now, tt.uptime)
			if (ev != nil) != tt.proven || notDone != tt.notDone {
				t.Errorf("got proven %v, not done %v; want %v, %v", ev != nil, notDone, tt.proven, tt.notDone)
			}
		})
	}
}
