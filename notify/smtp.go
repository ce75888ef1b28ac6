package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// SMTPSecurity is the protection of the connection to a mail server.
type SMTPSecurity int

// The values of SMTPSecurity. The zero value requires STARTTLS: a server that does
// not offer it receives no mail.
const (
	STARTTLS      SMTPSecurity = iota // usually on port 587
	ImplicitTLS                       // TLS from the first byte, port 465
	PlainLoopback                     // no TLS; only for loopback: tests and a local relay
)

const (
	defaultSMTPTimeout = 30 * time.Second
	defaultSMTPWait    = 5 * time.Minute // common for greylisting
	maxSMTPRead        = 1 << 20         // bytes from the server in one session
	quitTimeout        = 2 * time.Second
	maxSMTPReason      = 300
)

// SMTPOptions configures an SMTP channel.
type SMTPOptions struct {
	Addr string // host:port; required
	From string // the sender, with or without a name; required
	// Username and Password log in, with AUTH PLAIN or LOGIN. Empty means no login.
	Username, Password string
	Security           SMTPSecurity
	// RootCAs are the trusted certificate authorities. Nil means those of the
	// system.
	RootCAs *x509.CertPool
	// Hello is the host name in the EHLO command. Empty means that of the system.
	Hello string
	// Timeout limits one Send. Zero means 30 seconds.
	Timeout time.Duration
	// Wait is the delay before a temporarily rejected mail (4xx) is sent again.
	// Zero means 5 minutes. The maximum is MaxRetryAfter.
	Wait time.Duration
}

// SMTP is a Channel that sends plain-text mails to the one address in a
// notification's To. Each Send opens a session.
//
// The Message-ID is derived from the notification's ID, and Date is its time, so
// a repeated mail can be recognized. The header Auto-Submitted prevents automatic
// replies.
//
// A 5xx reply to the mail is a RejectedError, a 4xx reply a RetryAfterError. An
// earlier failure (connection, STARTTLS, login) affects every mail and is
// retried. Once the server has accepted the mail, Send returns nil, even if the
// connection fails.
//
// An SMTP is safe for concurrent use.
type SMTP struct {
	host, hello string
	port        int
	from        *netmail.Address
	idDomain    string
	username    string
	password    func() string // a function, because fmt prints the strings of any struct
	security    SMTPSecurity
	tls         *tls.Config
	timeout     time.Duration
	wait        time.Duration
}

// NewSMTP returns the channel. The error joins all problems of o. It does not
// connect.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf("smtp: "+format, args...)) }

	host, portText, err := net.SplitHostPort(o.Addr)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil || port == 0 || host == "" {
		wrong("address: got %q, want host:port", o.Addr)
	}
	from, err := ParseAddress(o.From)
	if err != nil {
		wrong("from: %w", err)
		from = &netmail.Address{}
	}
	if (o.Username == "") != (o.Password == "") {
		wrong("got only one of user name and password, want both or none")
	}
	switch o.Security {
	case STARTTLS, ImplicitTLS:
	case PlainLoopback:
		if !isLoopbackHost(host) {
			wrong("address: got %q without TLS, want a loopback address", host)
		}
	default:
		wrong("security: got unknown value %d", o.Security)
	}
	if strings.ContainsFunc(o.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		wrong("hello: got %q, want a host name", o.Hello)
	}
	if o.Timeout < 0 || o.Wait < 0 || o.Wait > MaxRetryAfter {
		wrong("got timeout %s and wait %s, want neither negative and a wait of at most 1h", o.Timeout, o.Wait)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &SMTP{
		host: host, port: int(port), hello: o.Hello, from: from, idDomain: domain,
		username: o.Username, password: func() string { return o.Password },
		security: o.Security,
		tls:      &tls.Config{ServerName: host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		timeout:  cmp.Or(o.Timeout, defaultSMTPTimeout), wait: cmp.Or(o.Wait, defaultSMTPWait),
	}, nil
}

// String returns "smtp" and the address of the server.
func (s *SMTP) String() string { return "smtp " + net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// MessageID returns the Message-ID of the notification with this ID, in angle
// brackets.
func (s *SMTP) MessageID(id string) string { return "<" + safeName(id) + "@" + s.idDomain + ">" }

// Send mails n. The documentation of [SMTP] lists its errors.
func (s *SMTP) Send(ctx context.Context, n Notification) error {
	if err := n.reject(); err != nil {
		return err
	}
	to, err := ParseAddress(n.To)
	if err != nil {
		return &RejectedError{Reason: "recipient", Err: err}
	}
	msg := s.message(n, to)
	session, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = s.session(session, msg)
	switch {
	case msg.IsDelivered(), err == nil:
		return nil
	case session.Err() != nil:
		return fmt.Errorf("%s: %w", s, session.Err()) // err only says that the connection was closed
	}
	return s.judge(err)
}

// message returns the mail. The mail package encodes every header value, and
// Validate has rejected control characters.
func (s *SMTP) message(n Notification, to *netmail.Address) *mail.Msg {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(to)
	id := s.MessageID(n.ID)
	msg.SetMessageIDWithValue(id[1 : len(id)-1])
	msg.SetDateWithValue(n.At.UTC())
	msg.Subject(n.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, n.Body)
	return msg
}

// session connects, sends msg and quits. When ctx ends, it closes the connection.
func (s *SMTP) session(ctx context.Context, msg *mail.Msg) error {
	var conn net.Conn // the connection below TLS
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		if s.security == PlainLoopback && !isLoopbackAddr(raw.RemoteAddr()) {
			_ = raw.Close()
			return nil, fmt.Errorf("%q resolves to %s, want a loopback address", s.host, raw.RemoteAddr())
		}
		conn = &limitedConn{Conn: raw, left: maxSMTPRead}
		if s.security == ImplicitTLS {
			return tls.Client(conn, s.tls), nil
		}
		return conn, nil
	}
	var stop func() bool
	opts := []mail.Option{
		mail.WithPort(s.port),
		mail.WithTimeout(2 * s.timeout), // ctx ends first, with a better error
		mail.WithTLSConfig(s.tls),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			c, err := dial(dialing, network, address)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return c, err
		}),
		// A session sends one mail, so NOOP and RSET are unnecessary.
		mail.WithoutNoop(), mail.WithoutRset(),
	}
	if s.hello != "" {
		opts = append(opts, mail.WithHELO(s.hello))
	}
	plain, login := mail.SMTPAuthPlain, mail.SMTPAuthLogin
	switch s.security {
	case STARTTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	case ImplicitTLS:
		opts = append(opts, mail.WithSSL())
	case PlainLoopback:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
		plain, login = mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc
	}
	if s.username != "" {
		opts = append(opts, mail.WithUsername(s.username), mail.WithPassword(s.password()), mail.WithOpportunisticSMTPAuth(plain, login))
	}
	// Each session needs a client, because it holds the state of the connection.
	client, err := mail.NewClient(s.host, opts...)
	if err != nil {
		return err
	}
	defer func() {
		if conn != nil {
			stop()
			_ = conn.Close() // go-mail does not close it if the greeting or login fails
		}
	}()
	protocol, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	err = client.SendWithSMTPClient(protocol, msg)
	// The mail is sent; QUIT is optional and has a short timeout.
	_ = conn.SetDeadline(time.Now().Add(quitTimeout))
	_ = client.CloseWithSMTPClient(protocol)
	return err
}

func isLoopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// secrets returns the password in the forms in which a server may repeat it.
func (s *SMTP) secrets() []string {
	password := s.password()
	if password == "" {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	return []string{password, encode([]byte(password)), encode([]byte("\x00" + s.username + "\x00" + password))}
}

// judge returns the error of Send for the error of a session.
func (s *SMTP) judge(err error) error {
	text := ProviderText(err.Error(), maxSMTPReason, s.secrets()...)
	plain := fmt.Errorf("%s: %s", s, text)
	if sent, ok := errors.AsType[*mail.SendError](err); ok {
		switch code := sent.ErrorCode(); {
		case code/100 == 4:
			return retryAfter(plain, s.wait)
		case code == 530 || code == 534 || code == 535 || code == 538:
			return plain // the server requires a login, which concerns every mail
		case code/100 == 5:
			return &RejectedError{Reason: plain.Error()}
		}
		return plain
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code/100 == 4 {
		return retryAfter(plain, s.wait)
	}
	return plain
}

// limitedConn limits the bytes that a server can send.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("got more than %d bytes from the server", maxSMTPRead)
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}
