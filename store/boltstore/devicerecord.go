package boltstore

import (
	"net/netip"
	"slices"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/store/seal"
)

// What a device reports is kept in two records with short names: there may be millions. Times are nanoseconds since 1970.
type (
	// devRecord changes seldom.
	devRecord struct {
		V         int    `json:"v"`
		ID        string `json:"id"`
		Maker     string `json:"man,omitempty"`
		OUI       string `json:"oui,omitempty"`
		Class     string `json:"cls,omitempty"`
		Serial    string `json:"ser,omitempty"`
		Root      string `json:"root,omitempty"`
		Software  string `json:"sw,omitempty"`
		Hardware  string `json:"hw,omitempty"`
		URL       string `json:"url,omitempty"`
		MAC       string `json:"mac,omitempty"`
		PPPoE     string `json:"ppp,omitempty"`
		Namespace string `json:"ns,omitempty"`
		First     int64  `json:"first,omitempty"`
		XML       bool   `json:"xml,omitempty"`
		XMLKnown  bool   `json:"xmlk,omitempty"`
		TypesHash uint64 `json:"th,omitempty"`
	}
	// seenRecord changes with each Inform.
	seenRecord struct {
		V        int        `json:"v"`
		Inform   int64      `json:"in,omitempty"`
		Boot     int64      `json:"bt,omitempty"`
		Events   []string   `json:"ev,omitempty"`
		Addr     netip.Addr `json:"ip,omitzero"`
		Uptime   int64      `json:"up,omitempty"`
		UptimeAt int64      `json:"upat,omitempty"`
		Retries  int        `json:"rc,omitempty"`
	}
	// factsRecord is what the provider said. Sealed are the passwords, as factsSecrets in JSON.
	factsRecord struct {
		V        int           `json:"v"`
		ID       string        `json:"id"`
		Identity cwmp.DeviceID `json:"identity"`
		Facts    acs.Facts     `json:"f"`
		Sealed   string        `json:"sealed,omitempty"`
	}
	factsSecrets struct {
		ConnectionRequest string `json:"connection_request,omitempty"`
		CWMPAuth          string `json:"cwmp_auth,omitempty"`
	}
)

func (r *devRecord) version() int   { return r.V }
func (r *seenRecord) version() int  { return r.V }
func (r *factsRecord) version() int { return r.V }

// report is what a device said, and who it is.
type report struct {
	id       string
	identity cwmp.DeviceID
	reported acs.Reported
	dev      []byte // its devRecord
}

func newReport(id string, identity cwmp.DeviceID, p acs.Reported) (*report, error) {
	r := &report{id: id, identity: identity, reported: copyReported(p)}
	dev := r.devRecord()
	var err error
	r.dev, err = encode(&dev)
	return r, err
}

func (r *report) devRecord() devRecord {
	i, p := r.identity, &r.reported
	return devRecord{
		V: recordVersion, ID: r.id, Maker: i.Manufacturer, OUI: i.OUI, Class: i.ProductClass, Serial: i.SerialNumber,
		Root: p.Root, Software: p.SoftwareVersion, Hardware: p.HardwareVersion, URL: p.ConnectionRequestURL, MAC: p.MAC,
		PPPoE: p.PPPoELogin, Namespace: p.Namespace, First: unixNano(p.FirstInform), XML: p.XMLDeclaration,
		XMLKnown: p.XMLDeclarationKnown, TypesHash: p.TypesHash,
	}
}

func (r *report) seenRecord() seenRecord {
	p := &r.reported
	return seenRecord{
		V: recordVersion, Inform: unixNano(p.LastInform), Boot: unixNano(p.LastBoot), Events: p.LastEvents, Addr: p.LastAddr,
		Uptime: int64(p.Uptime), UptimeAt: unixNano(p.UptimeAt), Retries: p.RetryCount,
	}
}

func (d *devRecord) identity() cwmp.DeviceID {
	return cwmp.DeviceID{Manufacturer: d.Maker, OUI: d.OUI, ProductClass: d.Class, SerialNumber: d.Serial}
}

func reportOf(d *devRecord, s *seenRecord) *report {
	return &report{
		id:       d.ID,
		identity: d.identity(),
		reported: acs.Reported{
			Root: d.Root, SoftwareVersion: d.Software, HardwareVersion: d.Hardware, ConnectionRequestURL: d.URL, MAC: d.MAC,
			PPPoELogin: d.PPPoE, Namespace: d.Namespace, FirstInform: fromNano(d.First), LastInform: fromNano(s.Inform),
			LastBoot: fromNano(s.Boot), LastEvents: s.Events, LastAddr: s.Addr, Uptime: time.Duration(s.Uptime),
			UptimeAt: fromNano(s.UptimeAt), RetryCount: s.Retries, XMLDeclaration: d.XML, XMLDeclarationKnown: d.XMLKnown,
			TypesHash: d.TypesHash,
		},
	}
}

func encodeFacts(k *seal.Keys, id string, identity cwmp.DeviceID, f acs.Facts) ([]byte, error) {
	r := factsRecord{V: recordVersion, ID: id, Identity: identity, Facts: f}
	secrets := factsSecrets{f.ConnectionRequest.Password, f.CWMPAuth.Password}
	r.Facts.ConnectionRequest.Password, r.Facts.CWMPAuth.Password = "", ""
	if secrets != (factsSecrets{}) {
		text, err := encode(secrets)
		if err != nil {
			return nil, err
		}
		r.Sealed = k.Seal(string(text), "device/"+id+"/passwords")
	}
	return encode(&r)
}

func decodeFacts(k *seal.Keys, value []byte) (*factsRecord, error) {
	var r factsRecord
	if err := decode(value, &r); err != nil {
		return nil, err
	}
	if r.Sealed != "" {
		var s factsSecrets
		if err := openJSON(k, r.Sealed, "device/"+r.ID+"/passwords", &s); err != nil {
			return nil, err
		}
		r.Facts.ConnectionRequest.Password, r.Facts.CWMPAuth.Password = s.ConnectionRequest, s.CWMPAuth
	}
	return &r, nil
}

const macDigits = 12

// names lists the keys under which a device is found, in order.
func names(routerID, user, pppoe, serial, mac string) (keys [][]byte) {
	add := func(kind byte, name string) {
		if name != "" {
			keys = append(keys, nameKey(kind, name))
		}
	}
	add(nameRouterID, routerID)
	add(nameUser, user)
	add(namePPPoE, pppoe)
	add(nameSerial, serial)
	if m := acs.MACDigits(mac); len(m) == macDigits {
		add(nameMAC, m)
	}
	return keys
}

func (d *devRecord) names() [][]byte { return names("", "", d.PPPoE, d.Serial, d.MAC) }

func (r *report) names() [][]byte {
	return names("", "", r.reported.PPPoELogin, r.identity.SerialNumber, r.reported.MAC)
}

func (r *factsRecord) names() [][]byte {
	return names(r.Facts.RouterID, r.Facts.CWMPAuth.Username, r.Facts.PPPoELogin, r.Identity.SerialNumber, r.Facts.MAC)
}

// nameChange tells which keys go and which come.
func nameChange(before, after [][]byte) (gone, came [][]byte) {
	has := func(list [][]byte, k []byte) bool {
		return slices.ContainsFunc(list, func(x []byte) bool { return string(x) == string(k) })
	}
	for _, k := range before {
		if !has(after, k) {
			gone = append(gone, k)
		}
	}
	for _, k := range after {
		if !has(before, k) {
			came = append(came, k)
		}
	}
	return gone, came
}

// namedRecord gives the record of a name: its key, and the device's id where the key does not hold it whole.
func namedRecord(name []byte, id string) (key, value []byte) {
	part := textKey(id)
	if _, whole := textID(part); !whole {
		value = []byte(id)
	}
	return append(slices.Clip(name), part...), value
}

func namedID(name, key, value []byte) string {
	if len(value) > 0 {
		return string(value)
	}
	id, _ := textID(key[len(name):])
	return id
}
