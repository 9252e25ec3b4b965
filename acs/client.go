package acs

import (
	"slices"
	"time"
)

// Scope is something that a client may do.
type Scope string

// Scopes.
const (
	ScopeActions             Scope = "actions"
	ScopeDevicesRead         Scope = "devices:read"
	ScopeDevicesWrite        Scope = "devices:write"
	ScopeWebhooks            Scope = "webhooks"
	ScopeParametersDangerous Scope = "parameters:dangerous"
	ScopeNetwork             Scope = "network"
	ScopeAdmin               Scope = "admin"
)

// AllScopes lists every scope.
var AllScopes = []Scope{
	ScopeActions, ScopeDevicesRead, ScopeDevicesWrite, ScopeWebhooks, ScopeParametersDangerous, ScopeNetwork, ScopeAdmin,
}

// DefaultScopes is what a client gets when none are named.
var DefaultScopes = []Scope{ScopeActions, ScopeDevicesRead, ScopeDevicesWrite, ScopeWebhooks}

// ClientType is a kind of system, as provider's menus list them.
type ClientType string

// Kinds of systems.
const (
	ClientGeneric  ClientType = "generic"
	ClientERP      ClientType = "erp"
	ClientHelpDesk ClientType = "help_desk"
)

// Client is an API client. It sees only what is its own.
type Client struct {
	ID     string  `json:"id"` // "cli_" + UUIDv7 hex
	Name   string  `json:"name"`
	Scopes []Scope `json:"scopes"`
	// RequestsPerMinute and RequestsPerDay are 0 for no limit.
	RequestsPerMinute int `json:"requests_per_minute,omitempty"`
	RequestsPerDay    int `json:"requests_per_day,omitempty"`
	// TokenTTL is how long its tokens hold; 0 is until revoked.
	TokenTTL time.Duration `json:"token_ttl,omitempty"`
	// Tags limit the devices it sees to those with one of them; none is all devices.
	Tags    []string `json:"tags,omitempty"`
	Blocked bool     `json:"blocked,omitempty"`
	// Type says what kind of system it is. Nothing depends on it.
	Type ClientType `json:"type,omitempty"`
	// PublicKey checks the client's ES256 tokens: a P-256 key, SubjectPublicKeyInfo in PEM. Empty: it cannot use them.
	PublicKey string `json:"public_key,omitempty"`
	// Legacy gives its webhooks of results the body that receivers of IXC ACS know, with the time of day in TimeZone (an IANA
	// name, empty is UTC).
	Legacy   bool   `json:"legacy,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
	// Webhook is the id of the endpoint that belongs to the client's own form, as it has one in IXC ACS; empty: none was made there.
	Webhook string `json:"webhook,omitempty"`
	// SecretHash is the SHA-256 of the client_secret, in hex.
	SecretHash string    `json:"secret_hash,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Version    uint64    `json:"version"`
}

// Has reports whether the client has the scope; admin has all.
func (c *Client) Has(s Scope) bool {
	for _, has := range c.Scopes {
		if has == s || has == ScopeAdmin {
			return true
		}
	}
	return false
}

// Token is a bearer token of a client, stored hashed.
type Token struct {
	Hash      string    `json:"hash"` // SHA-256 of the token, in hex
	Client    string    `json:"client"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	Fetched   bool      `json:"fetched,omitempty"`   // by the client itself
}

// MaxFetchedTokens is how many tokens that it fetched itself a client has at the most; the oldest go.
const MaxFetchedTokens = 100

// Grant is a token that a client fetches for itself.
type Grant struct {
	Token Token // expires, and is Fetched
	// Mark stands for what the token is given for and may be used but once; it is remembered until MarkUntil. Empty: it may be used
	// again.
	Mark      string
	MarkUntil time.Time
}

// HasNamed reports whether the scope itself was given to the client: dangerous powers do not come with admin.
func (c *Client) HasNamed(s Scope) bool { return slices.Contains(c.Scopes, s) }
