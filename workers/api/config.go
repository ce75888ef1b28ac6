package api

import (
	"context"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/crypto/bcrypt"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/workers/setup"
)

// Config has the worker's settings. Each field is an environment variable.
type Config struct {
	RecordsTable string `env:"RECORDS_TABLE,required,notEmpty"`
	StateTable   string `env:"STATE_TABLE,required,notEmpty"`

	// JWTKeys are Ed25519 keys as NAME=SEED, separated by commas; a seed is 32
	// bytes in base64. The first key signs tokens, all of them verify tokens.
	JWTKeys     setup.Secret `env:"JWT_KEYS,required,notEmpty"`
	JWTIssuer   string       `env:"JWT_ISSUER" envDefault:"sluice"`
	JWTAudience string       `env:"JWT_AUDIENCE" envDefault:"sluice-api"`

	// BcryptCost is the cost of a password's hash. One more takes twice as long.
	BcryptCost int `env:"BCRYPT_COST" envDefault:"12"`
	// AuthPerAddress and AuthPerClient bound the registrations and logins in an
	// AuthWindow, for one e-mail address and from one client address.
	AuthPerAddress int           `env:"AUTH_PER_ADDRESS" envDefault:"10"`
	AuthPerClient  int           `env:"AUTH_PER_CLIENT" envDefault:"100"`
	AuthWindow     time.Duration `env:"AUTH_WINDOW" envDefault:"15m"`

	// Stage is dev or prod. In dev, CORSOrigins is * by default.
	Stage string `env:"STAGE" envDefault:"dev"`
	// CORSOrigins are the origins of the pages that may call the API; * is all.
	CORSOrigins []string    `env:"CORS_ORIGINS"`
	MaxBody     setup.Bytes `env:"MAX_BODY" envDefault:"64KiB"` // of a request
}

const (
	stageDev  = "dev"
	stageProd = "prod"
)

// Validate returns every problem of the settings.
func (c Config) Validate() error {
	var p setup.Problems
	_, err := parseKeys(string(c.JWTKeys))
	p.Add("JWT_KEYS", err)
	if c.JWTIssuer == "" {
		p.Addf("JWT_ISSUER", "required, but empty")
	}
	if c.JWTAudience == "" {
		p.Addf("JWT_AUDIENCE", "required, but empty")
	}
	setup.Between(&p, "BCRYPT_COST", c.BcryptCost, bcrypt.MinCost, 16)
	setup.Between(&p, "AUTH_PER_ADDRESS", c.AuthPerAddress, 1, 1_000_000)
	setup.Between(&p, "AUTH_PER_CLIENT", c.AuthPerClient, 1, 1_000_000)
	p.Positive("AUTH_WINDOW", c.AuthWindow)
	if c.Stage != stageDev && c.Stage != stageProd {
		p.Addf("STAGE", "got %q, want dev or prod", c.Stage)
	}
	for _, origin := range c.CORSOrigins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			p.Addf("CORS_ORIGINS", "got %q, want origins such as https://example.com, or *", origin)
		}
	}
	setup.Between(&p, "MAX_BODY", c.MaxBody, 1<<10, 6<<20)
	return p.Err()
}

// origins returns the origins that may call the API.
func (c Config) origins() []string {
	if len(c.CORSOrigins) == 0 && c.Stage == stageDev {
		return []string{"*"}
	}
	return c.CORSOrigins
}

// New reads the settings from environ and builds the worker with its clients.
func New(ctx context.Context, environ map[string]string) (*Worker, error) {
	c, err := setup.Read[Config](environ)
	if err != nil {
		return nil, err
	}
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(cfg)
	return build(c, Clients{
		Records: dynamotable.New(db, c.RecordsTable, dynamotable.Options{}),
		State:   dynamotable.New(db, c.StateTable, dynamotable.Options{}),
	}, setup.Logger("api"))
}

// Clients are the backends of a worker.
type Clients struct {
	Records pipeline.Table // what people care about; streamed
	State   pipeline.Table // what machines need; not streamed
}
