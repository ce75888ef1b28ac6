package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
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

// SMTPSecurity is how the connection to a mail server is protected.
type SMTPSecurity int

// The protections. The zero value is STARTTLS, required: a server that does
// not offer it gets no mail.
const (
	STARTTLS      SMTPSecurity = iota // as a rule on port 587
	ImplicitTLS                       // TLS from the first byte, port 465
	PlainLoopback                     // none; only to this machine, for tests and a local relay
)

const (
	defaultSMTPTimeout = 30 * time.Second
	defaultSMTPWait    = 5 * time.Minute // what greylisting servers commonly ask for
	maxSMTPRead        = 1 << 20         // of all that a server says in one session
	quitTimeout        = 2 * time.Second
	maxSMTPReason      = 300
)

// SMTPOptions say which mail server sends the mails, and from whom.
type SMTPOptions struct {
	Addr string // host:port; required
	From string // the sender, with or without a name; required
	// Username and Password log in, with AUTH PLAIN or LOGIN. Empty: no login.
	Username, Password string
	Security           SMTPSecurity
	// RootCAs are who may vouch for the server. Nil: the system's.
	RootCAs *x509.CertPool
	// Hello is the name that we greet with. Empty: the host's name.
	Hello string
	// Timeout is for one Send in all. Zero means 30 seconds.
	Timeout time.Duration
	// Wait is the time after which a mail that was turned away for now (4xx) is
	// tried again. Zero means 5 minutes; at most MaxRetryAfter.
	Wait time.Duration
}

// SMTP is a Channel that sends plain-text mails to the one address that is a
// notification's recipient. Each Send is a session of its own.
//
// The Message-ID is made of the notification's ID, and Date is its time, so a
// resend is the same mail and can be known as such. The mail says that a
// machine wrote it (Auto-Submitted), so that no vacation answer comes back.
//
// An answer 5xx to the mail is a RejectedError; 4xx is a RetryAfterError.
// Trouble before the mail (no connection, no STARTTLS, a login that is refused)
// concerns every mail and is tried again. Once the server took the mail, Send
// returns nil, whatever happens to the connection.
//
// Safe for concurrent use.
type SMTP struct {
	host, hello string
	port        int
	from        *netmail.Address
	idDomain    string
	username    string
	password    func() string // a function, because fmt prints what it holds of any struct
	security    SMTPSecurity
	tls         *tls.Config
	timeout     time.Duration
	wait        time.Duration
}

// NewSMTP checks o; the error joins all problems. It does not connect.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf("smtp: "+format, args...)) }

	host, portText, err := net.SplitHostPort(o.Addr)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil || port == 0 || host == "" {
		wrong("address %q is not host:port", o.Addr)
	}
	from, err := ParseAddress(o.From)
	if err != nil {
		wrong("from: %w", err)
		from = &netmail.Address{}
	}
	if (o.Username == "") != (o.Password == "") {
		wrong("user name and password are wanted both, or none")
	}
	switch o.Security {
	case STARTTLS, ImplicitTLS:
	case PlainLoopback:
		if !isLoopbackHost(host) {
			wrong("%q is not this machine, so it needs TLS", host)
		}
	default:
		wrong("unknown security %d", o.Security)
	}
	if strings.ContainsFunc(o.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		wrong("hello %q is not a host name", o.Hello)
	}
	if o.Timeout < 0 || o.Wait < 0 || o.Wait > MaxRetryAfter {
		wrong("timeout %s or wait %s is out of range", o.Timeout, o.Wait)
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

// String names the server.
func (s *SMTP) String() string { return "smtp " + net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// MessageID returns the Message-ID of the mail for this notification, with its
// angle brackets.
func (s *SMTP) MessageID(id string) string { return "<" + safeName(id) + "@" + s.idDomain + ">" }

// Send mails n. See [SMTP] for what its errors mean.
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
		return fmt.Errorf("%s: %w", s, session.Err()) // err only tells that the connection was closed
	}
	return s.judge(err)
}

// message writes the mail. Every header value is encoded by the mail package,
// and has no control characters to begin with.
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

// session connects, sends msg and says goodbye. When ctx ends, the connection
// is closed under whatever waits for it.
func (s *SMTP) session(ctx context.Context, msg *mail.Msg) error {
	var conn net.Conn // what go-mail talks over, below any TLS
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		if s.security == PlainLoopback && !isLoopbackAddr(raw.RemoteAddr()) {
			_ = raw.Close()
			return nil, fmt.Errorf("%q is at %s, which is not this machine", s.host, raw.RemoteAddr())
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
		mail.WithTimeout(2 * s.timeout), // ctx ends first, and says why
		mail.WithTLSConfig(s.tls),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			c, err := dial(dialing, network, address)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return c, err
		}),
		// One mail a session: no need to ask whether it is alive, or to reset it.
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
	// A client of its own: go-mail's holds the state of its connection.
	client, err := mail.NewClient(s.host, opts...)
	if err != nil {
		return err
	}
	defer func() {
		if conn != nil {
			stop()
			_ = conn.Close() // go-mail leaves it open when the greeting or login fails
		}
	}()
	protocol, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	err = client.SendWithSMTPClient(protocol, msg)
	// Politeness only, and bounded by less than the caller's patience.
	_ = conn.SetDeadline(time.Now().Add(quitTimeout))
	_ = client.CloseWithSMTPClient(protocol)
	return err
}

func isLoopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// judge turns a session's failure into what the caller does next.
func (s *SMTP) judge(err error) error {
	text := cut(oneLine(strings.ToValidUTF8(err.Error(), "\uFFFD")), maxSMTPReason)
	plain := fmt.Errorf("%s: %s", s, text)
	if sent, ok := errors.AsType[*mail.SendError](err); ok {
		switch code := sent.ErrorCode(); {
		case code/100 == 4:
			return retryAfter(plain, s.wait)
		case code == 530 || code == 534 || code == 535 || code == 538:
			return plain // the server wants a login first: our settings, not this mail
		case code/100 == 5:
			return &RejectedError{Reason: plain.Error()}
		}
		return plain
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok && answer.Code/100 == 4 {
		return retryAfter(plain, s.wait)
	}
	return plain
}

// limitedConn ends a conversation in which the other side does not stop
// talking.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("server said over %d bytes", maxSMTPRead)
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}
