package api

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/workers/schema"
)

// TestTokensThatAreRefused is the table of attacks on a token.
func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]string{"JWT_KEYS": "k1=" + seed1 + ",k2=" + seed2})
	good := strings.TrimPrefix(f.loggedIn()[1], "Bearer ")
	var is claims
	if _, _, err := jwt.NewParser().ParseUnverified(good, &is); err != nil {
		t.Fatal(err)
	}
	f.want(201, "POST", "/auth/register", `{"email":"eve@example.com","password":"correct horse"}`)
	it, err := f.records.Get(t.Context(), schema.UserKey("eve@example.com"))
	var eve schema.User
	if err != nil || it.Decode(&eve) != nil {
		t.Fatal(err)
	}
	key := f.tokens.keys.byKid["k1"]
	public := key.Public().(ed25519.PublicKey)
	now := time.Now()
	make := func(method jwt.SigningMethod, signer any, kid any, change func(c jwt.MapClaims)) string {
		c := jwt.MapClaims{
			"iss": is.Issuer, "aud": is.Audience, "sub": is.Subject, "jti": is.ID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			"email": is.Email, "epoch": is.Epoch,
		}
		if change != nil {
			change(c)
		}
		token := jwt.NewWithClaims(method, c)
		if token.Header["kid"] = kid; kid == nil {
			delete(token.Header, "kid")
		}
		text, err := token.SignedString(signer)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	eddsa := func(change func(c jwt.MapClaims)) string { return make(jwt.SigningMethodEdDSA, key, "k1", change) }
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c[name] = value }
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"the login's": good,
		"made alike":  eddsa(nil),
		"second key":  make(jwt.SigningMethodEdDSA, f.tokens.keys.byKid["k2"], "k2", nil),
	} {
		if got := f.do("GET", "/users/me", "", "Authorization", "Bearer "+token); got.status != 200 {
			t.Errorf("%s: got %d %s, want 200", name, got.status, got.body)
		}
	}
	rows := map[string]string{
		"alg none":                     make(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "k1", nil),
		"HMAC with the public key":     make(jwt.SigningMethodHS256, []byte(public), "k1", nil),
		"HMAC with its base64":         make(jwt.SigningMethodHS256, []byte(base64.StdEncoding.EncodeToString(public)), "k1", nil),
		"an unknown kid":               make(jwt.SigningMethodEdDSA, key, "k3", nil),
		"the kid of another key":       make(jwt.SigningMethodEdDSA, key, "k2", nil),
		"no kid":                       make(jwt.SigningMethodEdDSA, key, nil, nil),
		"a kid that is a number":       make(jwt.SigningMethodEdDSA, key, 1, nil),
		"a kid that is a path":         make(jwt.SigningMethodEdDSA, key, "../../k1", nil),
		"expired":                      eddsa(set("exp", now.Add(-time.Second).Unix())),
		"issued in the future":         eddsa(set("iat", now.Add(time.Hour).Unix())),
		"not valid yet":                eddsa(set("nbf", now.Add(time.Hour).Unix())),
		"a foreign audience":           eddsa(set("aud", "other")),
		"a foreign issuer":             eddsa(set("iss", "other")),
		"another user's subject":       eddsa(set("sub", eve.ID)),
		"another user's address":       eddsa(set("email", "eve@example.com")),
		"another epoch":                eddsa(set("epoch", "x")),
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"the signature of other bytes": parts[0] + "." + strings.Split(eddsa(nil), ".")[1] + "." + parts[2],
		"no token":                     "",
		"a word":                       "token",
	}
	for _, claim := range []string{"iss", "aud", "sub", "jti", "iat", "exp", "email", "epoch"} {
		rows["without "+claim] = eddsa(func(c jwt.MapClaims) { delete(c, claim) })
	}
	for name, token := range rows {
		got := f.do("GET", "/users/me", "", "Authorization", "Bearer "+token)
		if got.status != 401 || got.header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: got %d %s, want 401", name, got.status, got.body)
		}
	}
	for _, header := range []string{"", good, "Basic " + good, "Bearer", "Bearer " + good + " x"} {
		if got := f.do("GET", "/users/me", "", "Authorization", header); got.status != 401 {
			t.Errorf("Authorization %q: got %d, want 401", header, got.status)
		}
	}
}

// TestKeysRotateByKid: a token of an earlier key is valid while the key is
// listed.
func TestKeysRotateByKid(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.loggedIn()
	for keys, want := range map[string]int{"k2=" + seed2 + ",k1=" + seed1: 200, "k2=" + seed2: 401, "k1=" + seed2: 401} {
		k, err := parseKeys(keys)
		if err != nil {
			t.Fatal(err)
		}
		f.tokens = newTokens(k, f.config.JWTIssuer, f.config.JWTAudience)
		f.want(want, "GET", "/users/me", "", token...)
	}
}
