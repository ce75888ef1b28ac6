package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is how long a token is valid.
const tokenLife = 24 * time.Hour

// keys are the keys of tokens, by kid. The key named signer signs.
type keys struct {
	signer string
	byKid  map[string]ed25519.PrivateKey
}

var errKeys = errors.New("want NAME=SEED, separated by commas, with seeds of 32 bytes in base64, each name once")

// parseKeys reads JWT_KEYS. Its error has no part of the value.
func parseKeys(text string) (keys, error) {
	k := keys{byKid: make(map[string]ed25519.PrivateKey)}
	for part := range strings.SplitSeq(text, ",") {
		name, encoded, ok := strings.Cut(strings.TrimSpace(part), "=")
		seed, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || name == "" || len(seed) != ed25519.SeedSize || k.byKid[name] != nil {
			return keys{}, errKeys
		}
		if k.signer == "" {
			k.signer = name
		}
		k.byKid[name] = ed25519.NewKeyFromSeed(seed)
	}
	return k, nil
}

// claims are the claims of a token. The subject is the user's id.
type claims struct {
	jwt.RegisteredClaims
	Email string `json:"email"`
	// Epoch is that of the credentials: a new password ends the tokens before it.
	Epoch string `json:"epoch"`
}

// Validate requires the claims that the parser does not.
func (c claims) Validate() error {
	if c.Subject == "" || c.ID == "" || c.IssuedAt == nil || c.Email == "" || c.Epoch == "" {
		return errors.New("sub, jti, iat, email and epoch are required")
	}
	return nil
}

// tokens signs and verifies tokens.
type tokens struct {
	keys             keys
	issuer, audience string
	parser           *jwt.Parser
}

func newTokens(k keys, issuer, audience string) tokens {
	return tokens{k, issuer, audience, jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
	)}
}

// sign returns a token for a user.
func (t tokens) sign(id, email, epoch string) (token string, expires time.Time, err error) {
	now := time.Now()
	expires = now.Add(tokenLife)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.issuer, Audience: jwt.ClaimStrings{t.audience}, Subject: id, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Email: email, Epoch: epoch,
	})
	unsigned.Header["kid"] = t.keys.signer
	token, err = unsigned.SignedString(t.keys.byKid[t.keys.signer])
	return token, expires, err
}

// verify returns the claims of a token that one of the keys signed and whose
// claims are valid now.
func (t tokens) verify(token string) (claims, error) {
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) {
		kid, _ := parsed.Header["kid"].(string)
		key, ok := t.keys.byKid[kid]
		if !ok {
			return nil, fmt.Errorf("kid: got %q, want a known key", kid)
		}
		return key.Public(), nil
	})
	return c, err
}
