package acs

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"recado/cwmp"
)

// maxLearned bounds how many names one message teaches.
const maxLearned = 2000

// report stores what the Inform says of the device.
func (h *Sessions) report(ctx context.Context, sess *cwmp.Session, c *conversation, in *cwmp.Inform, now time.Time) error {
	r := c.device.Reported
	if r.FirstInform.IsZero() {
		r.FirstInform = now
	}
	r.LastInform, r.LastAddr, r.Namespace = now, sess.RemoteAddr, sess.Namespace
	r.LastEvents = c.facts.codes
	r.RetryCount = in.Retries()
	if c.facts.booted || c.facts.mReboots > 0 {
		r.LastBoot = now
	}
	if root := in.Root(); root != "" {
		r.Root = clip(root, 64)
	}
	keep := func(to *string, suffix string, n int) {
		if p, ok := in.Parameter(suffix); ok {
			*to = clip(strings.TrimSpace(p.Value), n)
		}
	}
	keep(&r.SoftwareVersion, ".DeviceInfo.SoftwareVersion", 64)
	keep(&r.HardwareVersion, ".DeviceInfo.HardwareVersion", 64)
	// An empty URL (the WAN is not up yet) is kept too: the old one is no longer true.
	keep(&r.ConnectionRequestURL, ".ManagementServer.ConnectionRequestURL", 256)
	for _, p := range in.ParameterList {
		switch {
		case strings.HasSuffix(p.Name, ".MACAddress") && r.MAC == "":
			r.MAC = NormalMAC(p.Value)
		case strings.HasSuffix(p.Name, ".Username") && strings.Contains(p.Name, "PPP") && p.Value != "":
			r.PPPoELogin = clip(p.Value, 64)
		case strings.HasSuffix(p.Name, ".DeviceInfo.UpTime"):
			if n, err := strconv.ParseUint(strings.TrimSpace(p.Value), 10, 32); err == nil {
				r.Uptime, r.UptimeAt = time.Duration(n)*time.Second, now
			}
		}
	}
	if hash := typesHash(in.ParameterList); hash != r.TypesHash {
		if err := h.learn(ctx, c.device.ID, in.ParameterList); err != nil {
			return err
		}
		r.TypesHash = hash
	}
	c.device.Reported = r
	if err := h.s.store.Report(ctx, c.device.ID, in.DeviceID, r); err != nil {
		return fmt.Errorf("store report: %w", err)
	}
	return nil
}

// typesHash is of the names and types of a list: the same again teaches nothing.
func typesHash(list []cwmp.ParameterValue) uint64 {
	f := fnv.New64a()
	for _, p := range list {
		f.Write([]byte(p.Name))
		f.Write([]byte{0})
		f.Write([]byte(p.Type))
		f.Write([]byte{0})
	}
	return f.Sum64()
}

// learn remembers the types of a list.
func (h *Sessions) learn(ctx context.Context, device string, list []cwmp.ParameterValue) error {
	types := make(map[string]string, len(list))
	for _, p := range list {
		if len(types) == maxLearned {
			break
		}
		if p.Name != "" && len(p.Name) <= MaxParameterName && strings.HasPrefix(p.Type, "xsd:") && len(p.Type) <= 32 {
			types[p.Name] = p.Type
		}
	}
	if len(types) == 0 {
		return nil
	}
	if err := h.s.store.LearnTypes(ctx, device, types); err != nil {
		return fmt.Errorf("store types: %w", err)
	}
	return nil
}

// learnDeclaration decides whether answers of this session start with an XML declaration. Most clients take messages without, some
// break on one, some need one: a device that comes back with a rising RetryCount, never having gone on after InformResponse, gets the
// other form, and what works is remembered.
func (h *Sessions) learnDeclaration(sess *cwmp.Session, c *conversation) {
	r := &c.device.Reported
	retries := c.facts.retries
	if retries > 0 && h.stalled.has(c.device.ID) && (!r.XMLDeclarationKnown || retries >= 3) {
		r.XMLDeclaration = !r.XMLDeclaration
		r.XMLDeclarationKnown = false
		h.log.Info("trying the other form of XML", "device", c.device.ID, "declaration", r.XMLDeclaration)
	}
	sess.XMLDeclaration = r.XMLDeclaration
}

// wentOn notes that the device took InformResponse.
func (h *Sessions) wentOn(c *conversation) {
	if c.wentOn {
		return
	}
	c.wentOn = true
	h.stalled.remove(c.device.ID)
}

// settleDeclaration remembers the form of XML that works.
func (h *Sessions) settleDeclaration(ctx context.Context, c *conversation) error {
	if c.device.Reported.XMLDeclarationKnown {
		return nil
	}
	c.device.Reported.XMLDeclarationKnown = true
	return h.s.store.Report(ctx, c.device.ID, c.device.Identity, c.device.Reported)
}

// setUptime remembers an up-time that was read.
func (h *Sessions) setUptime(ctx context.Context, c *conversation, uptime time.Duration, now time.Time) error {
	c.device.Reported.Uptime, c.device.Reported.UptimeAt = uptime, now
	return h.s.store.Report(ctx, c.device.ID, c.device.Identity, c.device.Reported)
}

// rootOf is the root object to ask below.
func (c *conversation) rootOf() string {
	if c.device.Reported.Root != "" {
		return c.device.Reported.Root
	}
	return "InternetGatewayDevice."
}
