package api

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/pipeline"
	"sluice/workers/schema"
)

const (
	minPassword = 8
	// maxPassword is what bcrypt reads. It would ignore further bytes.
	maxPassword = 72
)

// credentials is the data of the item credentials#ADDRESS in table state.
type credentials struct {
	// Join is in the user's record too. Credentials and a record with another
	// join belong to different registrations.
	Join string `json:"join"`
	Hash string `json:"hash"` // bcrypt's
	// Epoch is new with each password. Tokens carry it.
	Epoch string    `json:"epoch"`
	At    time.Time `json:"at"` // of the password
}

func credentialsKey(email string) pipeline.Key {
	return pipeline.Key{PK: "credentials#" + schema.NormalizeAddress(email), SK: "-"}
}

// newCredentials returns credentials of a new epoch.
func (w *Worker) newCredentials(join, password string) (credentials, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), w.config.BcryptCost)
	return credentials{Join: join, Hash: string(hash), Epoch: rand.Text(), At: time.Now().UTC()}, err
}

// noPassword returns a hash that no password has, whose comparison takes as long
// as another's.
func noPassword(cost int) string {
	return fmt.Sprintf("$2a$%02d$%s", cost, strings.Repeat("a", 53))
}

// matches runs exactly one comparison. It takes the same time if the password is
// too long or hash is "", which match nothing.
func (w *Worker) matches(hash, password string) bool {
	known := hash != "" && len(password) <= maxPassword
	if !known {
		hash = noPassword(w.config.BcryptCost)
		password = password[:min(len(password), maxPassword)]
	}
	return w.compare([]byte(hash), []byte(password)) == nil && known
}
