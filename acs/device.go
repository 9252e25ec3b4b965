package acs

import (
	"net/netip"
	"time"

	"recado/cwmp"
)

// Credential is a user name and a password. Stores encrypt the password; it is never shown.
type Credential struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// IsZero reports whether there is none.
func (c Credential) IsZero() bool { return c == Credential{} }

// Facts is what the provider says of a device. It is kept in the main store, apart from what the device reports.
type Facts struct {
	RouterID   string   `json:"router_id,omitempty"`
	AccountID  string   `json:"account_id,omitempty"`
	PPPoELogin string   `json:"pppoe_login,omitempty"`
	MAC        string   `json:"mac,omitempty"` // 12 hex digits, upper case
	City       string   `json:"city,omitempty"`
	PONPort    string   `json:"pon_port,omitempty"`
	Tags       []string `json:"tags,omitempty"`

	// ConnectionRequest is what Recado answers the device's challenge with; CWMPAuth is what the device must answer
	// Recado's with (empty: the common credential).
	ConnectionRequest Credential `json:"connection_request,omitzero"`
	CWMPAuth          Credential `json:"cwmp_auth,omitzero"`

	// ProvisionedAt is when the device took ConnectionRequest as credentials that Recado made for it.
	ProvisionedAt time.Time `json:"provisioned_at,omitzero"`

	// AnnouncedAt is when device.added told of it.
	AnnouncedAt time.Time `json:"announced_at,omitzero"`

	// CreatedAt is zero where the provider said nothing yet.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   uint64    `json:"version"`
}

// Reported is what a device last said of itself. A crash may lose the newest of it (see DeviceStore.Report): nothing correct depends
// on it.
type Reported struct {
	Root                 string     `json:"root,omitempty"` // "InternetGatewayDevice." or "Device."
	SoftwareVersion      string     `json:"software_version,omitempty"`
	HardwareVersion      string     `json:"hardware_version,omitempty"`
	ConnectionRequestURL string     `json:"connection_request_url,omitempty"`
	MAC                  string     `json:"mac,omitempty"`
	PPPoELogin           string     `json:"pppoe_login,omitempty"`
	Namespace            string     `json:"namespace,omitempty"`
	FirstInform          time.Time  `json:"first_inform,omitzero"`
	LastInform           time.Time  `json:"last_inform,omitzero"`
	LastBoot             time.Time  `json:"last_boot,omitzero"`
	LastEvents           []string   `json:"last_events,omitempty"`
	LastAddr             netip.Addr `json:"last_addr,omitzero"`
	// Uptime is the last up-time read, at UptimeAt.
	Uptime   time.Duration `json:"uptime,omitempty"`
	UptimeAt time.Time     `json:"uptime_at,omitzero"`
	// RetryCount is the Inform's: above 0 for long, it is Recado's answers that the device does not take.
	RetryCount int `json:"retry_count,omitempty"`
	// XMLDeclaration and XMLDeclarationKnown are a learned quirk: whether the device needs <?xml …?> in front.
	XMLDeclaration      bool `json:"xml_declaration,omitempty"`
	XMLDeclarationKnown bool `json:"xml_declaration_known,omitempty"`
	// TypesHash is of the names and types of the last Inform: the same again teaches nothing.
	TypesHash uint64 `json:"types_hash,omitempty"`
}

// Device is a CPE: who it is, what it says, what its provider says of it.
type Device struct {
	ID       string        `json:"id"` // cwmp.DeviceID.Key
	Identity cwmp.DeviceID `json:"identity"`
	Reported Reported      `json:"reported"`
	Facts    Facts         `json:"facts"`
	// Ring is the last connection request to it; kept in memory only.
	Ring *Ring `json:"-"`
	// Conflict is that it called from two addresses in turn within the last day; kept in memory only.
	Conflict *Conflict `json:"-"`
}

// Known reports whether the device ever called in.
func (d *Device) Known() bool { return !d.Reported.FirstInform.IsZero() }
