package cwmptest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"recado/cwmp"
)

// informMessage makes the Inform of a session out of what has happened.
func (s *session) informMessage() message {
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	in := &cwmp.Inform{
		DeviceID:     d.cfg.DeviceID,
		MaxEnvelopes: strconv.Itoa(max(1, s.q.MaxEnvelopes)),
		CurrentTime:  s.currentTime(time.Now()),
		RetryCount:   strconv.Itoa(d.retries),
	}
	s.sent = nil
	woken := false
	for _, e := range d.events {
		// With TwoSessions there may be several connection requests; each gets a session of its own.
		again := e.EventCode == cwmp.EventConnectionRequest && woken
		if d.eventless || again {
			continue
		}
		woken = woken || e.EventCode == cwmp.EventConnectionRequest
		s.sent = append(s.sent, e)
		in.Events = append(in.Events, e.Event)
	}
	if d.eventless {
		d.want(1, time.Now()) // the events go with the next session
	}
	if s.q.ReverseEvents {
		slices.Reverse(in.Events)
	}
	in.ParameterList = s.informParameters()
	m := s.request("Inform", writeInform(in))
	m.inform = true
	return m
}

// informParameters are those forced in every Inform by the data models, and what the configuration adds; d.mu is held.
func (s *session) informParameters() []cwmp.ParameterValue {
	d, root := s.d, s.d.cfg.Root
	names := []string{
		"DeviceInfo.HardwareVersion", "DeviceInfo.SoftwareVersion", "DeviceInfo.ProvisioningCode",
		"ManagementServer.ParameterKey", "ManagementServer.ConnectionRequestURL",
	}
	if root == RootTR098 {
		names = append([]string{"DeviceSummary", "DeviceInfo.SpecVersion"}, names...)
		names = append(names, "WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress")
	} else {
		names = append([]string{"RootDataModelVersion"}, names...)
		names = append(names, "ManagementServer.AliasBasedAddressing")
	}
	if s.q.PasswordsInInform {
		names = append(names, "ManagementServer.Username", "ManagementServer.Password",
			"ManagementServer.ConnectionRequestUsername", "ManagementServer.ConnectionRequestPassword")
	}
	if s.q.ControlCharacter {
		names = append(names, "DeviceInfo.Description")
	}
	var list []cwmp.ParameterValue
	for _, n := range names {
		list = append(list, s.value(root+n, true))
	}
	for _, n := range d.cfg.InformParameters {
		list = append(list, s.value(n, false))
	}
	return list
}

// value is a parameter as the device tells it; clear shows hidden ones. d.mu is held.
func (s *session) value(name string, clear bool) cwmp.ParameterValue {
	v := cwmp.ParameterValue{Name: name, Type: "xsd:string", Value: s.d.current(name)}
	if p, ok := s.d.tree.find(name); ok {
		v.Type = p.Type
		if p.Hidden && !clear && !s.q.ShowsSecrets {
			v.Value = ""
		}
	}
	if s.q.ControlCharacter && strings.HasSuffix(name, "DeviceInfo.Description") {
		v.Value += "\x02"
	}
	return v
}

func (s *session) currentTime(now time.Time) string {
	now = now.UTC()
	switch s.q.CurrentTime {
	case TimeNoZone:
		return now.Format("2006-01-02T15:04:05")
	case TimeOffset:
		return now.Format("2006-01-02T15:04:05") + "+00:00"
	case TimeMillis:
		return now.Format("2006-01-02T15:04:05.000Z")
	case Time1970:
		return time.Unix(0, 0).UTC().Add(now.Sub(s.d.bootedAt)).Format(time.RFC3339)
	case TimeUnknown:
		return "0001-01-01T00:00:00Z"
	case TimeGarbage:
		return "Thu Jan  1 ::00 "
	}
	return now.Format(time.RFC3339)
}

// current is the value that a parameter has now; d.mu is held.
func (d *Device) current(name string) string {
	rest, _ := strings.CutPrefix(name, d.cfg.Root)
	switch rest {
	case "DeviceInfo.UpTime", "WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Uptime":
		if !d.up {
			return "0"
		}
		return strconv.FormatInt(int64(time.Since(d.bootedAt)/time.Second), 10)
	case "DeviceInfo.Manufacturer":
		return d.cfg.DeviceID.Manufacturer
	case "DeviceInfo.ManufacturerOUI":
		return d.cfg.DeviceID.OUI
	case "DeviceInfo.ProductClass":
		return d.cfg.DeviceID.ProductClass
	case "DeviceInfo.SerialNumber":
		return d.cfg.DeviceID.SerialNumber
	case "ManagementServer.ConnectionRequestURL":
		return d.requestURL(d.quirks.URL)
	case "Time.CurrentLocalTime":
		return time.Now().UTC().Format(time.RFC3339)
	case "WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress",
		"PPP.Interface.1.IPCP.LocalIPAddress", "IP.Interface.1.IPv4Address.1.IPAddress":
		if _, set := d.tree.value[name]; !set && d.cfg.Source.IsValid() {
			return d.cfg.Source.String()
		}
	}
	return d.tree.get(name)
}

// requestURL is the ConnectionRequestURL in a form; d.mu is held.
func (d *Device) requestURL(form URLForm) string {
	if d.cfg.Door != nil {
		return d.cfg.Door.url(d.path)
	}
	host := d.host()
	base := "http://" + net.JoinHostPort(host, fmt.Sprint(d.port))
	switch {
	case form == URLNoPath:
		return base
	case form == URLBare:
		return host
	case form == URLLate && len(d.events) > 0 && slices.ContainsFunc(d.events, func(e pending) bool {
		return e.Is(cwmp.EventBoot) || e.Is(cwmp.EventBootstrap)
	}):
		return ""
	}
	return base + "/" + d.path
}

// host is the address under which the Device's own listener is reached.
func (d *Device) host() string {
	if d.cfg.Source.IsValid() {
		return d.cfg.Source.String()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}).String()
}
