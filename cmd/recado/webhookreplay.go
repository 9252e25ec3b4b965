package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
)

type webhookReplayCmd struct {
	endpointArg `embed:""`
	Since       string   `name:"since" placeholder:"TIME" help:"Deliveries made from then on: 2026-11-21T10:00:00Z, or how long ago, such as 24h (all)."`
	Until       string   `name:"until" placeholder:"TIME" help:"Deliveries made before then, likewise (now)."`
	States      []string `name:"state" placeholder:"STATE" help:"Some of dead, delivered, pending, held (dead)."`
	Types       []string `name:"type" placeholder:"TYPE" help:"Event types (all)."`
	Limit       int      `name:"limit" placeholder:"N" help:"How many at the most (all)."`
	Wait        bool     `name:"wait" help:"Follow it to its end."`
}

// replayLook is how often a replay that is waited for is looked at.
const replayLook = time.Second

// Run replays deliveries.
func (c *webhookReplayCmd) Run(ctx context.Context, s streams) error {
	since, err := momentOf("--since", c.Since)
	if err != nil {
		return err
	}
	until, err := momentOf("--until", c.Until)
	if err != nil {
		return err
	}
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	r, err := api.ReplayWebhook(ctx, id, wire.ReplayRequest{Since: wireTime(since), Until: wireTime(until), States: c.States, Types: c.Types, Limit: c.Limit})
	if err != nil {
		return err
	}
	if c.Wait {
		if r, err = c.follow(ctx, s, api, r); err != nil {
			return err
		}
	}
	if c.json() {
		if err := printJSON(s.out, r); err != nil {
			return err
		}
	} else {
		printReplay(s, &r)
	}
	if r.State == "failed" || r.State == "cancelled" {
		return errReported
	}
	return nil
}

// follow looks at a replay until it has ended, and tells how far it is where that changes.
func (c *webhookReplayCmd) follow(ctx context.Context, s streams, api *client.Client, r wire.Replay) (wire.Replay, error) {
	for told := -1; r.State == "running"; {
		if r.Matched != told && !c.json() {
			printReplay(s, &r)
			told = r.Matched
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(replayLook):
		}
		var err error
		if r, err = api.ReplayJob(ctx, r.ID); err != nil {
			return r, err
		}
	}
	return r, nil
}

func printReplay(s streams, r *wire.Replay) {
	fmt.Fprintf(s.out, "replay %s %s: %d replayed, %d skipped", r.ID, r.State, r.Replayed, r.Skipped)
	if r.Reason != "" {
		fmt.Fprintf(s.out, "; %s", clean(r.Reason))
	}
	fmt.Fprintln(s.out)
}

// wireTime is nil for no time.
func wireTime(t time.Time) *wire.Time {
	if t.IsZero() {
		return nil
	}
	w := wire.Time(t)
	return &w
}

type webhookStatsCmd struct {
	endpointArg `embed:""`
	Range       time.Duration `name:"range" default:"24h" help:"How far back: 1h to 720h (${default})."`
}

// Run shows statistics.
func (c *webhookStatsCmd) Run(ctx context.Context, s streams) error {
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	w, err := api.WebhookStats(ctx, id, c.Range)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, w)
	}
	rows := [][]string{
		{"since", stamp(w.Since)},
		{"state", w.State},
		{"events", strconv.FormatUint(w.Events, 10)},
		{"deliveries", fmt.Sprintf("%d: %d delivered, %d dead, %d expired", w.Deliveries, w.Delivered, w.Dead, w.Expired)},
		{"attempts", fmt.Sprintf("%d, %s of them good, %s a delivery", w.Attempts, percent(w.SuccessRate), decimal(w.AttemptsPerDelivery))},
		{"receiver", spreadText(w.ReceiverMS)},
		{"lag", spreadText(w.LagMS)},
		{"now", fmt.Sprintf("%d pending, %d of them held; %d dead; the oldest pending of %s", w.QueueDepth, w.HeldNow, w.DeadNow, optionalStamp(w.OldestPendingAt))},
	}
	for _, e := range w.Errors {
		rows = append(rows, []string{"error " + e.Class, fmt.Sprintf("%d times. %s", e.Count, e.Hint)})
	}
	for _, r := range rows {
		fmt.Fprintf(s.out, "%-16s %s\n", r[0], strings.TrimSpace(r[1]))
	}
	return nil
}

func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return strconv.FormatFloat(*share*100, 'f', 1, 64) + " %"
}

func decimal(n *float64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatFloat(*n, 'f', 1, 64)
}

func spreadText(s *wire.Spread) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f ms on average, p50 %.1f ms, p99 %.1f ms", s.Average, s.P50, s.P99)
}
