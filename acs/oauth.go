package acs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"
)

// FetchedToken is a token that a client fetched for itself. It always expires.
type FetchedToken struct {
	Text   string
	Token  Token
	Client Client
}

// nobodysHash is compared where there is no client, so that it costs the same.
var nobodysHash = hashToken("nobody")

// FetchToken gives a client a token for its secret. The answer is the same for a client that does not exist and for a wrong secret, and
// takes as long. Errors: ErrUnauthenticated, ErrBlocked, and the store's.
func (s *Service) FetchToken(ctx context.Context, clientID, secret string) (FetchedToken, error) {
	c, err := s.store.Client(ctx, clientID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return FetchedToken{}, fmt.Errorf("client of a secret: %w", err)
	}
	want := c.SecretHash
	if want == "" {
		want = nobodysHash
	}
	right := subtle.ConstantTimeCompare([]byte(hashToken(secret)), []byte(want)) == 1
	if !right || c.SecretHash == "" {
		s.loginFailed(ctx)
		return FetchedToken{}, ErrUnauthenticated
	}
	return s.grant(ctx, c, "", time.Time{})
}

// ExchangeJWT gives a client a token for a JWT that it signed with its key (ES256). Each JWT is taken once, also over a restart. Errors:
// ErrUnauthenticated (as *ProofError where that gives nothing away), ErrBlocked, and the store's.
func (s *Service) ExchangeJWT(ctx context.Context, text string) (FetchedToken, error) {
	j, err := readJWT(text)
	if err != nil {
		return FetchedToken{}, err
	}
	c, err := s.store.Client(ctx, j.issuer)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return FetchedToken{}, fmt.Errorf("client of a JWT: %w", err)
	}
	own := c.PublicKey != ""
	if !own {
		c.PublicKey = nobodysKey()
	}
	key, err := ParsePublicKey(c.PublicKey)
	if err != nil {
		return FetchedToken{}, fmt.Errorf("public key of client %s: %w", c.ID, err)
	}
	if !j.signedBy(key) || !own {
		s.loginFailed(ctx)
		return FetchedToken{}, noProof("iss is no client with a public key here, or another key signed it")
	}
	if err := j.checkTimes(time.Now()); err != nil {
		return FetchedToken{}, err
	}
	t, err := s.grant(ctx, c, j.mark(), j.exp.Add(JWTSkew))
	if errors.Is(err, ErrExists) {
		return FetchedToken{}, noProof("this JWT was used before; sign a new one")
	}
	return t, err
}

// nobodysKey is verified against where there is none, so that it costs the same. Nobody has its other half.
var nobodysKey = sync.OnceValue(func() string {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no random numbers
	}
	text, err := publicKeyText(&k.PublicKey)
	if err != nil {
		panic(err) // a P-256 key has this form
	}
	return text
})

// grant makes a token for a client that has proven itself.
func (s *Service) grant(ctx context.Context, c Client, mark string, markUntil time.Time) (FetchedToken, error) {
	if c.Blocked {
		return FetchedToken{}, ErrBlocked
	}
	text, err := newSecret(tokenPrefix)
	if err != nil {
		return FetchedToken{}, err
	}
	ttl := c.TokenTTL
	if ttl <= 0 || ttl > MaxTokenTTL {
		ttl = MaxTokenTTL
	}
	now := time.Now()
	t := Token{Hash: hashToken(text), Client: c.ID, CreatedAt: now, ExpiresAt: now.Add(ttl), Fetched: true}
	err = s.store.GrantToken(ctx, Grant{Token: t, Mark: mark, MarkUntil: markUntil})
	if err != nil {
		// A client that is deleted at this moment is one that does not exist.
		return FetchedToken{}, notFoundIs(err, ErrUnauthenticated)
	}
	s.log.Debug("token fetched", "client", c.ID, "expires", t.ExpiresAt)
	return FetchedToken{Text: text, Token: t, Client: c}, nil
}
