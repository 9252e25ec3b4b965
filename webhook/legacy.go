package webhook

import (
	"encoding/json"
	"sync"
	"time"
	_ "time/tzdata" // so that zones are the same on every machine
)

// Statuses of FormatLegacy.
const (
	LegacySuccess = "success"
	LegacyError   = "error"
)

// LegacyTestProtocolo and LegacyTestRouterID stand in the legacy body of a webhook.test, which is about no request and no device.
const (
	LegacyTestProtocolo = "00000000-0000-0000-0000-000000000000"
	LegacyTestRouterID  = "TEST"
)

// legacyBody is FormatLegacy: exactly these members, in this order.
type legacyBody struct {
	Protocolo string `json:"protocolo"`
	RouterID  string `json:"router_id"`
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
}

// Body returns the bytes to send for a delivery of e, which are the same for every attempt.
func Body(e Event, d *Delivery) []byte {
	if d.Format == FormatLegacy {
		return renderLegacy(e, d.TimeZone)
	}
	return Render(e, d.Format)
}

// renderLegacy makes the four members out of the standard body. What is about no protocolo, and is no test, has none of them and stays
// as it is.
func renderLegacy(e Event, zone string) []byte {
	standard := e.Bytes()
	l := legacyBody{Timestamp: e.Time.In(location(zone)).Format(time.TimeOnly)}
	switch {
	case e.Type == TypeTest:
		l.Protocolo, l.RouterID, l.Status = LegacyTestProtocolo, LegacyTestRouterID, LegacySuccess
	case e.Protocolo == "":
		return standard
	default:
		var of struct {
			RouterID string `json:"router_id"`
			Status   string `json:"status"`
		}
		if err := json.Unmarshal(standard, &of); err != nil || of.Status == "" {
			return standard
		}
		l.Protocolo, l.RouterID, l.Status = e.Protocolo, of.RouterID, legacyStatus(of.Status)
	}
	b, err := json.Marshal(l)
	if err != nil {
		// Strings always have a JSON form.
		panic(err)
	}
	return b
}

// legacyStatus gives a status as IXC ACS does: what is no success is an error, a timeout too. What is not final has no word there, and
// keeps ours.
func legacyStatus(status string) string {
	switch status {
	case "failure", "timeout":
		return LegacyError
	}
	return status
}

// locations are those that were asked for; there are some hundreds of zones at the most.
var locations sync.Map

// location is UTC for a zone that is not known (any more).
func location(zone string) *time.Location {
	if zone == "" {
		return time.UTC
	}
	if l, ok := locations.Load(zone); ok {
		return l.(*time.Location)
	}
	l, err := LoadZone(zone)
	if err != nil {
		return time.UTC
	}
	locations.Store(zone, l)
	return l
}

// LoadZone finds an IANA time zone such as "America/Sao_Paulo". Unlike time.LoadLocation it does not take "Local", which is another
// zone on each machine.
func LoadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, &InvalidError{Field: "time_zone", Problem: "is no IANA time zone; give one such as America/Sao_Paulo"}
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, &InvalidError{Field: "time_zone", Problem: "is no IANA time zone; give one such as America/Sao_Paulo"}
	}
	return l, nil
}

// SetLegacy gives deliveries of action results FormatLegacy in a time zone. Those of other events stay as they are: the four members say
// nothing of them.
func SetLegacy(deliveries []Delivery, zone string) {
	for i := range deliveries {
		if d := &deliveries[i]; d.Protocolo != "" || d.EventType == TypeTest {
			d.Format, d.TimeZone = FormatLegacy, zone
		}
	}
}
