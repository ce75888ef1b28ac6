package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// registering is how long credentials without a user's record belong to a
// registration in progress, and cannot be replaced. An invocation is shorter.
const registering = 2 * time.Minute

// user is a user in a response.
type user struct {
	ID     string `json:"id"`
	Email  string `json:"email" format:"email"`
	Name   string `json:"name"`
	Status string `json:"status" enum:"pending,active" doc:"A pending user has no welcome mail yet"`
}

func userOf(u schema.User) user { return user{u.ID, u.Email, u.Name, u.Status} }

type registerInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"254" doc:"In ASCII; identifies the user with A to Z in lower case"`
		Password string `json:"password" format:"password" doc:"8 to 72 bytes"`
		Name     string `json:"name,omitempty" maxLength:"200"`
	}
}

type userOutput struct{ Body user }

// register stores the credentials first and conditionally, then the user's
// record. Two registrations at once cannot join one's record to the other's
// password, for a login needs both to have the same join.
func (w *Worker) register(ctx context.Context, in *registerInput) (*userOutput, error) {
	email := schema.NormalizeAddress(in.Body.Email)
	if err := invalid(
		"email", checkAddress(email), "password", checkPassword(in.Body.Password), "name", checkName(in.Body.Name),
	); err != nil {
		return nil, err
	}
	if err := w.throttle(ctx, email); err != nil {
		return nil, err
	}
	taken := huma.Error409Conflict("the e-mail address is registered")
	_, err := w.records.Get(ctx, schema.UserKey(email))
	if err == nil {
		return nil, taken
	}
	if !errors.Is(err, pipeline.ErrNotFound) {
		return nil, err
	}
	condition, err := w.replaceable(ctx, email)
	if err != nil {
		return nil, err
	}
	c, err := w.newCredentials(rand.Text(), in.Body.Password)
	if err != nil {
		return nil, err
	}
	if _, err := putJSON(ctx, w.state, credentialsKey(email), c, condition); err != nil {
		return nil, onConflict(err, taken)
	}
	record := schema.User{
		Change: schema.Change{Status: schema.StatusPending, At: time.Now().UTC().Truncate(time.Millisecond)},
		Email:  email, Name: in.Body.Name, ID: rand.Text(), Credentials: c.Join,
	}
	if _, err := putJSON(ctx, w.records, schema.UserKey(email), record, pipeline.Absent()); err != nil {
		return nil, onConflict(err, taken)
	}
	return &userOutput{userOf(record)}, nil
}

// replaceable returns the condition under which a registration may write the
// credentials of an address that has no user's record.
func (w *Worker) replaceable(ctx context.Context, email string) (pipeline.Condition, error) {
	it, err := w.state.Get(ctx, credentialsKey(email))
	if errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.Absent(), nil
	}
	var c credentials
	if err == nil {
		err = it.Decode(&c)
	}
	if err != nil {
		return pipeline.Condition{}, err
	}
	if time.Since(c.At) < registering {
		return pipeline.Condition{}, huma.ErrorWithHeaders(huma.Error409Conflict("the e-mail address is being registered"),
			http.Header{"Retry-After": {fmt.Sprint(int(registering.Seconds()))}})
	}
	return pipeline.AtVersion(it.Version), nil
}

type loginInput struct {
	Body struct {
		Email    string `json:"email"`
		Password string `json:"password" format:"password"`
	}
}

type loginOutput struct {
	Body struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expiresAt"`
		User      user      `json:"user"`
	}
}

// login has the same response, after one comparison, for an unknown user and a
// wrong password.
func (w *Worker) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	email := schema.NormalizeAddress(in.Body.Email)
	refused := huma.Error401Unauthorized("the e-mail address or the password is wrong")
	if checkAddress(email) != nil { // it has no user, and may be no key
		email = "-"
	}
	if err := w.throttle(ctx, email); err != nil {
		return nil, err
	}
	a, err := w.account(ctx, email)
	if err != nil && !errors.Is(err, errNoAccount) {
		return nil, err
	}
	if !w.matches(a.credentials.Hash, in.Body.Password) {
		return nil, refused
	}
	out := new(loginOutput)
	out.Body.User = userOf(a.user)
	out.Body.Token, out.Body.ExpiresAt, err = w.tokens.sign(a.user.ID, email, a.credentials.Epoch)
	return out, err
}

// account is a user's record and its credentials.
type account struct {
	user          schema.User
	userItem      pipeline.Item
	credentials   credentials
	credentialsAt pipeline.Item
}

var errNoAccount = errors.New("no account")

// account returns errNoAccount, and no hash, unless both items are there and have
// the same join. It reads both in any case.
func (w *Worker) account(ctx context.Context, email string) (account, error) {
	var a account
	var err, missing error
	if a.userItem, err = w.records.Get(ctx, schema.UserKey(email)); err == nil {
		err = a.userItem.Decode(&a.user)
	}
	if errors.Is(err, pipeline.ErrNotFound) {
		err, missing = nil, errNoAccount
	}
	if err != nil {
		return account{}, err
	}
	if a.credentialsAt, err = w.state.Get(ctx, credentialsKey(email)); err == nil {
		err = a.credentialsAt.Decode(&a.credentials)
	}
	if errors.Is(err, pipeline.ErrNotFound) {
		err, missing = nil, errNoAccount
	}
	if err != nil {
		return account{}, err
	}
	if missing != nil || a.credentials.Join == "" || a.user.Credentials != a.credentials.Join {
		return account{}, errNoAccount
	}
	return a, nil
}

type tokenKey struct{}

// withToken notes the token of a request.
func withToken(ctx context.Context, r *http.Request) context.Context {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || len(r.Header.Values("Authorization")) != 1 {
		token = ""
	}
	return context.WithValue(ctx, tokenKey{}, strings.TrimSpace(token))
}

// authenticated returns the account of the request's token, or a 401. It reads
// the tables each time: a removed account or another password counts at once.
func (w *Worker) authenticated(ctx context.Context) (account, error) {
	token, _ := ctx.Value(tokenKey{}).(string)
	refused := func(reason string) (account, error) {
		return account{}, huma.ErrorWithHeaders(huma.Error401Unauthorized(reason), http.Header{"Www-Authenticate": {"Bearer"}})
	}
	if token == "" {
		return refused("Authorization: want Bearer and a token")
	}
	c, err := w.tokens.verify(token)
	if err != nil {
		return refused("the token is not valid")
	}
	a, err := w.account(ctx, c.Email)
	if err != nil && !errors.Is(err, errNoAccount) {
		return account{}, err
	}
	if err != nil || a.user.ID != c.Subject || a.credentials.Epoch != c.Epoch {
		return refused("the token is not valid")
	}
	return a, nil
}

func (w *Worker) me(ctx context.Context, _ *struct{}) (*userOutput, error) {
	a, err := w.authenticated(ctx)
	if err != nil {
		return nil, err
	}
	return &userOutput{userOf(a.user)}, nil
}

type changeUserInput struct {
	Body struct {
		Name string `json:"name" maxLength:"200"`
	}
}

func (w *Worker) changeUser(ctx context.Context, in *changeUserInput) (*userOutput, error) {
	a, err := w.authenticated(ctx)
	if err != nil {
		return nil, err
	}
	if err := invalid("name", checkName(in.Body.Name)); err != nil {
		return nil, err
	}
	gone := huma.Error401Unauthorized("the account was removed")
	it, err := pipeline.Update(ctx, w.records, a.userItem.Key, func(current schema.User, exists bool) (any, error) {
		if !exists || current.ID != a.user.ID {
			return nil, gone
		}
		return map[string]string{"name": in.Body.Name}, nil
	})
	if err != nil {
		return nil, err
	}
	var u schema.User
	if err := it.Decode(&u); err != nil {
		return nil, err
	}
	return &userOutput{userOf(u)}, nil
}

type passwordInput struct {
	Body struct {
		Current  string `json:"current" format:"password"`
		Password string `json:"password" format:"password" doc:"8 to 72 bytes"`
	}
}

// changePassword writes the credentials alone: the new password and the end of
// all tokens are one write.
func (w *Worker) changePassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	a, err := w.authenticated(ctx)
	if err != nil {
		return nil, err
	}
	if err := invalid("password", checkPassword(in.Body.Password)); err != nil {
		return nil, err
	}
	if err := w.throttle(ctx, a.user.Email); err != nil {
		return nil, err
	}
	if !w.matches(a.credentials.Hash, in.Body.Current) {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body.current", Message: "not the current password"})
	}
	c, err := w.newCredentials(a.credentials.Join, in.Body.Password)
	if err != nil {
		return nil, err
	}
	_, err = putJSON(ctx, w.state, a.credentialsAt.Key, c, pipeline.AtVersion(a.credentialsAt.Version))
	return nil, onConflict(err, huma.Error409Conflict("the password was changed meanwhile"))
}

// deleteUser removes the account: first the address from the orders, then the
// user's record, then the credentials. Each step can be repeated, and without
// the record nobody logs in.
func (w *Worker) deleteUser(ctx context.Context, _ *struct{}) (*struct{}, error) {
	a, err := w.authenticated(ctx)
	if err != nil {
		return nil, err
	}
	var orders []pipeline.Item
	for it, err := range w.records.Query(ctx, a.userItem.Key.PK, "order#") {
		if err != nil {
			return nil, err
		}
		var o schema.Order
		if err := it.Decode(&o); err != nil {
			return nil, err
		}
		if o.Status == schema.StatusReceived || o.Status == schema.StatusProcessing {
			// Its job would write the order under the address again.
			return nil, huma.Error409Conflict("order " + o.ID + " is in progress")
		}
		orders = append(orders, it)
	}
	for _, it := range orders {
		if err := w.anonymize(ctx, it, a.user.ID); err != nil {
			return nil, err
		}
	}
	changed := huma.Error409Conflict("the account was changed meanwhile")
	if err := w.records.Delete(ctx, a.userItem.Key, pipeline.AtVersion(a.userItem.Version)); err != nil {
		return nil, onConflict(err, changed)
	}
	err = w.state.Delete(ctx, a.credentialsAt.Key, pipeline.AtVersion(a.credentialsAt.Version))
	return nil, onConflict(err, changed)
}

// anonymize moves an order to a key without an address. The key follows from the
// user's id, so a repeated move finds its copy. The worker changes does not know
// the key: a move starts no job, and the default rules notify nobody.
func (w *Worker) anonymize(ctx context.Context, it pipeline.Item, userID string) error {
	var members map[string]json.RawMessage
	if err := it.Decode(&members); err != nil {
		return err
	}
	delete(members, "email")
	key := pipeline.Key{PK: "anonymous#" + pipeline.DeriveID("anonymous", userID), SK: it.Key.SK}
	if _, err := putJSON(ctx, w.records, key, members, pipeline.Always()); err != nil {
		return err
	}
	return onConflict(w.records.Delete(ctx, it.Key, pipeline.AtVersion(it.Version)), huma.Error409Conflict("an order was changed meanwhile"))
}

// putJSON stores v under k.
func putJSON(ctx context.Context, t pipeline.Table, k pipeline.Key, v any, c pipeline.Condition) (pipeline.Item, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return pipeline.Item{}, err
	}
	return t.Put(ctx, pipeline.Item{Key: k, Data: data}, c)
}

// onConflict returns problem for a conflict, and other errors as they are.
func onConflict(err, problem error) error {
	if _, ok := errors.AsType[*pipeline.ConflictError](err); ok {
		return problem
	}
	return err
}

// invalid returns a 422 with each field of the body that has an error, or nil.
func invalid(fieldError ...any) error {
	var details []error
	for i := 0; i < len(fieldError); i += 2 {
		if err, _ := fieldError[i+1].(error); err != nil {
			details = append(details, &huma.ErrorDetail{Location: "body." + fieldError[i].(string), Message: err.Error()})
		}
	}
	if len(details) == 0 {
		return nil
	}
	return huma.Error422UnprocessableEntity("validation failed", details...)
}

var errAddress = errors.New("want an e-mail address in ASCII, such as ada@example.com")

// checkAddress accepts ASCII only: other scripts have letters that look alike.
func checkAddress(email string) error {
	if strings.ContainsFunc(email, func(r rune) bool { return r >= utf8.RuneSelf }) || (schema.UserRegistration{Email: email}).Validate() != nil {
		return errAddress
	}
	return nil
}

func checkPassword(password string) error {
	if n := len(password); n < minPassword || n > maxPassword {
		return fmt.Errorf("got %d bytes, want %d to %d", n, minPassword, maxPassword)
	}
	if strings.ContainsRune(password, 0) {
		return errors.New("got a NUL character, want none")
	}
	return nil
}

func checkName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return errors.New("got control characters, want none")
	}
	return nil
}
