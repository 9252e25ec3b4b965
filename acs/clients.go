package acs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// tokenPrefix lets secret scanners find tokens of ours in places where they should not be.
const tokenPrefix = "rcd_"

// MaxTokenTTL is the longest life of an expiring token.
const MaxTokenTTL = 24 * time.Hour

// NewClient is a request for an API client.
type NewClient struct {
	Name              string
	Scopes            []Scope // none: DefaultScopes
	RequestsPerMinute int
	RequestsPerDay    int
	TokenTTL          time.Duration
	Tags              []string
	Type              ClientType // "": ClientGeneric
	PublicKey         string     // see ParsePublicKey
	Legacy            bool
	TimeZone          string
	Blocked           bool
}

// ClientSecrets is a new client with what is shown once.
type ClientSecrets struct {
	Client       Client
	Token        string
	ClientID     string
	ClientSecret string
}

// ClientChange changes a client; nil fields stay as they are.
type ClientChange struct {
	Name              *string
	Scopes            *[]Scope
	RequestsPerMinute *int
	RequestsPerDay    *int
	TokenTTL          *time.Duration
	Tags              *[]string
	Blocked           *bool
	Type              *ClientType
	PublicKey         *string // empty takes it away
	Legacy            *bool   // of events from then on
	TimeZone          *string
	// Webhook is the endpoint that the client's form keeps.
	Webhook *string
}

// CreateClient makes a client with a token and a secret. ErrExists where the name is taken.
func (s *Service) CreateClient(ctx context.Context, n NewClient) (ClientSecrets, error) {
	now := time.Now()
	id, err := uuid.NewV7()
	if err != nil {
		return ClientSecrets{}, fmt.Errorf("make client id: %w", err)
	}
	c := Client{
		ID: "cli_" + hex.EncodeToString(id[:]), Name: n.Name, Scopes: slices.Clone(n.Scopes), RequestsPerMinute: n.RequestsPerMinute,
		RequestsPerDay: n.RequestsPerDay, TokenTTL: n.TokenTTL, Tags: slices.Clone(n.Tags), Type: n.Type, PublicKey: n.PublicKey,
		Legacy: n.Legacy, TimeZone: n.TimeZone, Blocked: n.Blocked, CreatedAt: now, UpdatedAt: now,
	}
	if len(c.Scopes) == 0 {
		c.Scopes = slices.Clone(DefaultScopes)
	}
	if err := c.check(); err != nil {
		return ClientSecrets{}, err
	}
	secret, err := newSecret("rcs_")
	if err != nil {
		return ClientSecrets{}, err
	}
	c.SecretHash = hashToken(secret)
	if err := s.store.CreateClient(ctx, c); err != nil {
		return ClientSecrets{}, err
	}
	token, _, err := s.NewToken(ctx, c.ID)
	if err != nil {
		return ClientSecrets{}, err
	}
	if c, err = s.store.Client(ctx, c.ID); err != nil {
		return ClientSecrets{}, err
	}
	s.log.Info("client created", "client", c.ID, "name", c.Name, "scopes", c.Scopes)
	return ClientSecrets{Client: c, Token: token, ClientID: c.ID, ClientSecret: secret}, nil
}

func (c *Client) check() error {
	switch {
	case strings.TrimSpace(c.Name) == "" || len(c.Name) > 128:
		return &InvalidError{"name", "has no text, or more than 128 bytes"}
	case strings.ContainsFunc(c.Name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return &InvalidError{"name", "holds a control character"}
	case c.RequestsPerMinute < 0:
		return &InvalidError{"requests_per_minute", "is negative; 0 is no limit"}
	case c.RequestsPerDay < 0:
		return &InvalidError{"requests_per_day", "is negative; 0 is no limit"}
	case c.TokenTTL < 0 || c.TokenTTL > MaxTokenTTL:
		return &InvalidError{"token_ttl_seconds", fmt.Sprintf("is out of range; give 1 to %d, or 0 for tokens that do not expire",
			int(MaxTokenTTL.Seconds()))}
	}
	for i, sc := range c.Scopes {
		if !slices.Contains(AllScopes, sc) {
			names := make([]string, len(AllScopes))
			for j := range AllScopes {
				names[j] = string(AllScopes[j])
			}
			return &InvalidError{fmt.Sprintf("scopes[%d]", i), "is unknown; the scopes are " + strings.Join(names, ", ")}
		}
	}
	if len(c.Tags) > 64 || slices.ContainsFunc(c.Tags, func(t string) bool { return t == "" || len(t) > 64 }) {
		return &InvalidError{"tags", "has more than 64 entries, or one without text or with more than 64 bytes"}
	}
	return c.checkKind()
}

func newSecret(prefix string) (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b), nil
}

func hashToken(t string) string {
	h := sha256.Sum256([]byte(t))
	return hex.EncodeToString(h[:])
}

// Client returns a client.
func (s *Service) Client(ctx context.Context, id string) (Client, error) {
	return s.store.Client(ctx, id)
}

// Clients lists all clients.
func (s *Service) Clients(ctx context.Context) ([]Client, error) { return s.store.Clients(ctx) }

// ChangeClient changes a client. Blocking holds from the next request on.
func (s *Service) ChangeClient(ctx context.Context, id string, ch ClientChange) (Client, error) {
	for range 16 {
		c, err := s.store.Client(ctx, id)
		if err != nil {
			return Client{}, err
		}
		before := c
		ch.apply(&c)
		if err := c.check(); err != nil {
			return Client{}, err
		}
		c.UpdatedAt = time.Now()
		told, err := s.telling(ctx, &c, AuditClient(ctx, &before, &c), "")
		if err != nil {
			return Client{}, err
		}
		c, err = s.store.UpdateClient(told, c)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err == nil {
			s.AudienceChanged()
			s.log.Info("client changed", "client", c.ID, "name", c.Name, "blocked", c.Blocked, "scopes", c.Scopes)
		}
		return c, err
	}
	return Client{}, ErrConflict
}

func (ch *ClientChange) apply(c *Client) {
	if ch.Name != nil {
		c.Name = *ch.Name
	}
	if ch.Scopes != nil {
		c.Scopes = slices.Clone(*ch.Scopes)
	}
	if ch.RequestsPerMinute != nil {
		c.RequestsPerMinute = *ch.RequestsPerMinute
	}
	if ch.RequestsPerDay != nil {
		c.RequestsPerDay = *ch.RequestsPerDay
	}
	if ch.TokenTTL != nil {
		c.TokenTTL = *ch.TokenTTL
	}
	if ch.Tags != nil {
		c.Tags = slices.Clone(*ch.Tags)
	}
	if ch.Blocked != nil {
		c.Blocked = *ch.Blocked
	}
	if ch.Type != nil {
		c.Type = *ch.Type
	}
	if ch.PublicKey != nil {
		c.PublicKey = *ch.PublicKey
	}
	if ch.Legacy != nil {
		c.Legacy = *ch.Legacy
	}
	if ch.TimeZone != nil {
		c.TimeZone = *ch.TimeZone
	}
	if ch.Webhook != nil {
		c.Webhook = *ch.Webhook
	}
}

// DeleteClient deletes a client with its tokens and endpoints. Its actions run on, and nobody is told.
func (s *Service) DeleteClient(ctx context.Context, id string) error {
	if err := s.store.DeleteClient(ctx, id); err != nil {
		return err
	}
	s.AudienceChanged()
	s.log.Info("client deleted", "client", id)
	return nil
}

// NewToken makes a token of a client; only its hash is kept.
func (s *Service) NewToken(ctx context.Context, id string) (string, Token, error) {
	c, err := s.store.Client(ctx, id)
	if err != nil {
		return "", Token{}, err
	}
	token, err := newSecret(tokenPrefix)
	if err != nil {
		return "", Token{}, err
	}
	t := Token{Hash: hashToken(token), Client: id, CreatedAt: time.Now()}
	if c.TokenTTL > 0 {
		t.ExpiresAt = t.CreatedAt.Add(c.TokenTTL)
	}
	if ctx, err = s.telling(ctx, &c, AuditToken(ctx, &t), ""); err != nil {
		return "", Token{}, err
	}
	if err := s.store.AddToken(ctx, t); err != nil {
		return "", Token{}, err
	}
	return token, t, nil
}

// RevokeTokens makes all tokens of a client worthless.
func (s *Service) RevokeTokens(ctx context.Context, id string) error {
	c, err := s.store.Client(ctx, id)
	if err != nil {
		return err
	}
	if ctx, err = s.telling(ctx, &c, []AuditAct{act(ctx, AuditTokensRevoked, id, id)}, ""); err != nil {
		return err
	}
	s.log.Info("tokens revoked", "client", id)
	return s.store.DeleteTokens(ctx, id)
}

// Authenticate finds the client that a bearer token belongs to. Tokens have 256 random bits and are found by their hash, so no time is
// told by comparing. Errors: ErrUnauthenticated, ErrBlocked.
func (s *Service) Authenticate(ctx context.Context, token string) (Client, error) {
	if len(token) < 16 || len(token) > 512 {
		return Client{}, ErrUnauthenticated
	}
	t, err := s.store.Token(ctx, hashToken(token))
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			s.loginFailed(ctx)
		}
		return Client{}, notFoundIs(err, ErrUnauthenticated)
	}
	if !t.ExpiresAt.IsZero() && !time.Now().Before(t.ExpiresAt) {
		return Client{}, ErrUnauthenticated
	}
	c, err := s.store.Client(ctx, t.Client)
	if err != nil {
		return Client{}, notFoundIs(err, ErrUnauthenticated)
	}
	if c.Blocked {
		return Client{}, ErrBlocked
	}
	return c, nil
}

func notFoundIs(err, other error) error {
	if errors.Is(err, ErrNotFound) {
		return other
	}
	return err
}
