package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

func newTestSMTP(t *testing.T, addr string, change func(*SMTPOptions)) *SMTP {
	t.Helper()
	o := SMTPOptions{Addr: addr, From: "Sluice <noreply@sluice.example>", Security: PlainLoopback, Hello: "tests.example"}
	if change != nil {
		change(&o)
	}
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// smtpServer is a mail server on loopback that stores its mails.
type smtpServer struct {
	addr string
	// replies replaces the usual reply to a command. "GREETING" and "." (the end of
	// a mail) count as commands. The reply "cut" closes the connection, and "hang"
	// sends nothing more.
	replies  map[string]string
	tls      *tls.Config // offered as STARTTLS
	implicit bool        // TLS from the first byte
	login    bool        // AUTH is offered, once the line is safe or insecure is set
	hung     func()      // called before it hangs

	mu       sync.Mutex
	mails    []string // as they came, dots undone
	commands []string
	secure   []bool // whether commands[i] came over TLS
}

func (s *smtpServer) start(t *testing.T) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	return s
}

func (s *smtpServer) serve(conn net.Conn) {
	secure := false
	if s.implicit {
		conn, secure = tls.Server(conn, s.tls), true
	}
	text := textproto.NewConn(conn)
	// say replies to a command; false ends the session.
	say := func(name, usual string) bool {
		reply := usual
		if a, ok := s.replies[name]; ok {
			reply = a
		}
		switch reply {
		case "cut":
			return false
		case "hang":
			if s.hung != nil {
				s.hung()
			}
			_, _ = io.Copy(io.Discard, conn)
			return false
		}
		return text.PrintfLine("%s", reply) == nil
	}
	if !say("GREETING", "220 mail.example ready") {
		return
	}
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		name, _, _ := strings.Cut(strings.ToUpper(line), " ")
		s.mu.Lock()
		s.commands, s.secure = append(s.commands, line), append(s.secure, secure)
		s.mu.Unlock()
		ok := true
		switch name {
		case "EHLO":
			lines := []string{"mail.example", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
			if s.tls != nil && !secure {
				lines = append(lines, "STARTTLS")
			}
			if s.login {
				lines = append(lines, "AUTH PLAIN LOGIN")
			}
			usual := "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1]
			ok = say(name, usual)
		case "STARTTLS":
			if ok = say(name, "220 go on"); ok && s.tls != nil {
				conn, secure = tls.Server(conn, s.tls), true
				text = textproto.NewConn(conn)
			}
		case "AUTH":
			ok = say(name, "235 2.7.0 welcome")
		case "DATA":
			if ok = say(name, "354 go on"); ok && s.replies[name] == "" {
				data, err := io.ReadAll(text.DotReader())
				if err != nil {
					return
				}
				s.mu.Lock()
				s.mails = append(s.mails, string(data))
				s.mu.Unlock()
				ok = say(".", "250 2.0.0 taken")
			}
		case "QUIT":
			_ = say(name, "221 bye")
			return
		default: // HELO, MAIL, RCPT, RSET, NOOP
			ok = say(name, "250 2.1.0 fine")
		}
		if !ok {
			return
		}
	}
}

func (s *smtpServer) received(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

// testCertificate returns a certificate for 127.0.0.1 and localhost, and its
// authority.
var testCertificate = sync.OnceValues(func() (*tls.Config, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
})

func TestSMTPMail(t *testing.T) {
	t.Parallel()
	server := (&smtpServer{}).start(t)
	mailer := newTestSMTP(t, server.addr, nil)
	n := sampleNotification()
	n.To = "Jörg Onym <jo@b.example>"
	n.Subject = "Grüße: " + strings.Repeat("long ", 30)
	n.Body = "Hello Jörg,\n.\n..two dots\n" + strings.Repeat("x", 1200) + "\nFrom me"
	for range 2 {
		if err := mailer.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	mails := server.received(t)
	if len(mails) != 2 {
		t.Fatalf("%d mails came, want 2", len(mails))
	}
	if mails[0] != mails[1] {
		t.Errorf("a resend is another mail:\n%s\n%s", mails[0], mails[1])
	}
	m, err := netmail.ReadMessage(strings.NewReader(mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != strings.TrimRight(n.Subject, " ") && subject != n.Subject {
		t.Errorf("got subject %q and %v, want %q", subject, err, n.Subject)
	}
	for name, want := range map[string]string{
		"Message-ID":     "<welcome_0123456789abcdef@sluice.example>",
		"Date":           "Mon, 23 Nov 2026 12:30:00 +0000",
		"From":           `"Sluice" <noreply@sluice.example>`,
		"To":             "=?utf-8?q?J=C3=B6rg_Onym?= <jo@b.example>",
		"Auto-Submitted": "auto-generated",
		"Content-Type":   "text/plain; charset=UTF-8",
		"User-Agent":     "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := mailer.MessageID(n.ID); got != m.Header.Get("Message-ID") {
		t.Errorf("MessageID says %q", got)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if got := strings.TrimRight(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n"); err != nil || got != n.Body {
		t.Errorf("got body %q and %v, want %q", got, err, n.Body)
	}
	for line := range strings.Lines(mails[0]) {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	verbs := server.commands[:len(server.commands)/2] // of the first session
	if want := "EHLO tests.example|MAIL FROM:<noreply@sluice.example> BODY=8BITMIME SMTPUTF8|RCPT TO:<jo@b.example>|DATA|QUIT"; strings.Join(verbs, "|") != want {
		t.Errorf("got commands %q, want %q", strings.Join(verbs, "|"), want)
	}
}

func TestSMTPNotificationCannotAddHeadersOrCommands(t *testing.T) {
	t.Parallel()
	server := (&smtpServer{}).start(t)
	mailer := newTestSMTP(t, server.addr, nil)
	refused := map[string]func(*Notification){
		"subject":           func(n *Notification) { n.Subject = "a\r\nBcc: evil@x.example" },
		"recipient":         func(n *Notification) { n.To = "a@b.example\r\nRCPT TO:<evil@x.example>" },
		"name":              func(n *Notification) { n.To = "=?utf-8?q?a=0D=0ABcc=3A_evil=40x.example?= <a@b.example>" },
		"quoted":            func(n *Notification) { n.To = `"a> <evil@x.example"@b.example` },
		"two recipients":    func(n *Notification) { n.To = "a@b.example, evil@x.example" },
		"id":                func(n *Notification) { n.ID = "a>\r\nBcc: evil@x.example" },
		"no recipient":      func(n *Notification) { n.To = "" },
		"lone line feed":    func(n *Notification) { n.Subject = "a\nBcc: evil@x.example" },
		"lone return":       func(n *Notification) { n.Subject = "a\rBcc: evil@x.example" },
		"bracketed address": func(n *Notification) { n.To = "evil@[127.0.0.1]" },
	}
	for name, change := range refused {
		n := sampleNotification()
		change(&n)
		if _, ok := errors.AsType[*RejectedError](mailer.Send(t.Context(), n)); !ok {
			t.Errorf("%s was not refused", name)
		}
	}
	if got := server.received(t); len(got) != 0 || len(server.commands) != 0 {
		t.Errorf("the server was told %q", server.commands)
	}
	n := sampleNotification()
	n.ID = `a> b@c."d`
	n.Subject = "=?utf-8?q?a=0D=0ABcc:_evil@x.example?="
	n.To = `"a\"b, c" <a@b.example>`
	n.Body = "hello\r\n.\r\nMAIL FROM:<evil@x.example>\r\n\rBcc: x\n.\n"
	if err := mailer.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	m, err := netmail.ReadMessage(strings.NewReader(server.received(t)[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Header["Bcc"]) != 0 || len(m.Header["Message-Id"]) != 1 || strings.Count(m.Header.Get("Message-ID"), "@") != 1 {
		t.Errorf("got headers %q", m.Header)
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "a@b.example" {
		t.Errorf("got recipients %v and %v", to, err)
	}
	if got := len(server.received(t)); got != 1 {
		t.Errorf("%d mails came, want 1", got)
	}
}

func TestSMTPReplyDecidesTheError(t *testing.T) {
	t.Parallel()
	const (
		done = iota
		again
		later
		never
	)
	for name, row := range map[string]struct {
		command, reply string
		want           int
		text           string
	}{
		"recipient unknown":             {"RCPT", "550 5.1.1 no such user", never, `550 "5.1.1 no such user"`},
		"several lines":                 {"RCPT", "550-5.7.1 refused\r\n550 5.7.1 go away", never, `550 "5.7.1 refused\n5.7.1 go away"`},
		"greylisted":                    {"RCPT", "451 4.7.1 come back", later, `451 "4.7.1 come back"`},
		"mailbox full":                  {"RCPT", "452 4.2.2 full", later, "452"},
		"sender refused":                {"MAIL", "553 5.1.8 who are you", never, "553"},
		"too many mails":                {"MAIL", "421 4.7.0 slow down", later, "421"},
		"login wanted":                  {"MAIL", "530 5.7.0 authentication required", again, "530"},
		"no data":                       {"DATA", "554 5.5.1 no", never, "554"},
		"content refused":               {".", "554 5.7.1 spam", never, `554 "5.7.1 spam"`},
		"content refused for now":       {".", "451 4.3.0 try again", later, "451"},
		"server busy":                   {"GREETING", "421 4.3.2 busy", later, "421"},
		"server does not take mail":     {"GREETING", "554 no mail here", again, "554"},
		"no greeting":                   {"GREETING", "cut", again, "smtp 127.0.0.1:"},
		"not a mail server":             {"GREETING", "HTTP/1.1 400 Bad Request", again, "smtp 127.0.0.1:"},
		"cut at the recipient":          {"RCPT", "cut", again, "EOF"},
		"cut after the mail":            {".", "cut", again, "EOF"},
		"taken, but no goodbye":         {"QUIT", "cut", done, ""},
		"taken, and a strange goodbye":  {"QUIT", "500 what", done, ""},
		"taken with another good reply": {"RCPT", "251 will forward", done, ""},
		"talks without end":             {"GREETING", "220-" + strings.Repeat("x", maxSMTPRead), again, "got more than 1048576 bytes from the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := (&smtpServer{replies: map[string]string{row.command: row.reply}}).start(t)
			err := newTestSMTP(t, server.addr, nil).Send(t.Context(), sampleNotification())
			_, isRejected := errors.AsType[*RejectedError](err)
			delayed, isDelayed := errors.AsType[*RetryAfterError](err)
			if (err == nil) != (row.want == done) || isRejected != (row.want == never) || isDelayed != (row.want == later) {
				t.Errorf("got %v", err)
			}
			if isDelayed && delayed.After != defaultSMTPWait {
				t.Errorf("got delay %v, want %v", delayed.After, defaultSMTPWait)
			}
			if err != nil && (!strings.Contains(err.Error(), row.text) || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n")) {
				t.Errorf("got %q, want %q in it", err, row.text)
			}
			if row.want == done && len(server.received(t)) != 1 {
				t.Errorf("%d mails came, want 1", len(server.received(t)))
			}
		})
	}
}

func TestSMTPConnectionErrorIsRetried(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	err = newTestSMTP(t, l.Addr().String(), nil).Send(t.Context(), sampleNotification())
	if _, rejected := errors.AsType[*RejectedError](err); err == nil || rejected {
		t.Errorf("got %v, want it tried again", err)
	}
}

func TestSMTPTLS(t *testing.T) {
	t.Parallel()
	serverTLS, roots := testCertificate()
	login := func(o *SMTPOptions) { o.Username, o.Password = "ann", "p4ssw0rd" }
	for name, row := range map[string]struct {
		server *smtpServer
		change func(*SMTPOptions)
		want   string // empty: the mail comes
	}{
		"STARTTLS": {&smtpServer{tls: serverTLS}, func(o *SMTPOptions) { o.Security, o.RootCAs = STARTTLS, roots }, ""},
		"STARTTLS and login": {&smtpServer{tls: serverTLS, login: true}, func(o *SMTPOptions) {
			o.Security, o.RootCAs = STARTTLS, roots
			login(o)
		}, ""},
		"implicit": {&smtpServer{tls: serverTLS, implicit: true}, func(o *SMTPOptions) { o.Security, o.RootCAs = ImplicitTLS, roots }, ""},
		"implicit and login": {&smtpServer{tls: serverTLS, implicit: true, login: true}, func(o *SMTPOptions) {
			o.Security, o.RootCAs = ImplicitTLS, roots
			login(o)
		}, ""},
		"plain and login":     {&smtpServer{login: true}, login, ""},
		"STARTTLS not there":  {&smtpServer{}, func(o *SMTPOptions) { o.Security = STARTTLS }, "STARTTLS"},
		"STARTTLS refused":    {&smtpServer{tls: serverTLS, replies: map[string]string{"STARTTLS": "454 not now"}}, func(o *SMTPOptions) { o.Security = STARTTLS }, "454"},
		"nobody vouches":      {&smtpServer{tls: serverTLS}, func(o *SMTPOptions) { o.Security = STARTTLS }, "certificate"},
		"implicit, not there": {&smtpServer{}, func(o *SMTPOptions) { o.Security, o.RootCAs = ImplicitTLS, roots }, "tls"},
		"login not there":     {&smtpServer{}, login, "AUTH"},
		"login refused":       {&smtpServer{login: true, replies: map[string]string{"AUTH": "535 5.7.8 no"}}, login, "535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := row.server.start(t)
			mailer := newTestSMTP(t, server.addr, row.change)
			err := mailer.Send(t.Context(), sampleNotification())
			if row.want == "" {
				if err != nil || len(server.received(t)) != 1 {
					t.Fatalf("got %v and %d mails, want one mail", err, len(server.received(t)))
				}
			} else {
				if err == nil || !strings.Contains(err.Error(), row.want) || len(server.received(t)) != 0 {
					t.Errorf("got %v, want %q in it and no mail", err, row.want)
				}
				if _, rejected := errors.AsType[*RejectedError](err); rejected {
					t.Errorf("got %v, want it tried again: it says nothing of this mail", err)
				}
			}
			password := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00p4ssw0rd"))
			for i, c := range server.commands {
				verb, rest, _ := strings.Cut(c, " ")
				if server.tls != nil && !server.secure[i] && verb != "EHLO" && verb != "STARTTLS" && verb != "QUIT" {
					t.Errorf("%s went over an open line", verb)
				}
				if verb == "AUTH" && rest != "PLAIN "+password {
					t.Errorf("got login %q", rest)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "p4ssw0rd") || strings.Contains(err.Error(), password)) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// The server stops replying, at each step.
func TestSMTPEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server := (&smtpServer{replies: map[string]string{command: "hang"}, hung: cancel}).start(t)
			err := newTestSMTP(t, server.addr, nil).Send(ctx, sampleNotification())
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
	}
	t.Run("timeout of its own", func(t *testing.T) {
		t.Parallel()
		server := (&smtpServer{replies: map[string]string{"RCPT": "hang"}}).start(t)
		err := newTestSMTP(t, server.addr, func(o *SMTPOptions) { o.Timeout = 50 * time.Millisecond }).Send(t.Context(), sampleNotification())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
}

func TestSMTPIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	server := (&smtpServer{}).start(t)
	mailer := newTestSMTP(t, server.addr, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			n := sampleNotification()
			n.ID = "n_" + itoa(i)
			if err := mailer.Send(t.Context(), n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, text := range server.received(t) {
		m, err := netmail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		ids[m.Header.Get("Message-ID")] = true
	}
	if len(ids) != 8 {
		t.Errorf("%d different mails came, want 8", len(ids))
	}
}

func TestNewSMTPFindsProblems(t *testing.T) {
	t.Parallel()
	good := SMTPOptions{Addr: "mail.example:587", From: "a@b.example"}
	if _, err := NewSMTP(good); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		change func(*SMTPOptions)
		want   string
	}{
		"no address":         {func(o *SMTPOptions) { o.Addr = "" }, "host:port"},
		"no port":            {func(o *SMTPOptions) { o.Addr = "mail.example" }, "host:port"},
		"port zero":          {func(o *SMTPOptions) { o.Addr = "mail.example:0" }, "host:port"},
		"port too large":     {func(o *SMTPOptions) { o.Addr = "mail.example:65536" }, "host:port"},
		"no host":            {func(o *SMTPOptions) { o.Addr = ":25" }, "host:port"},
		"no sender":          {func(o *SMTPOptions) { o.From = "" }, "from"},
		"half a login":       {func(o *SMTPOptions) { o.Password = "p4ssw0rd" }, "both"},
		"plain to the world": {func(o *SMTPOptions) { o.Security = PlainLoopback }, "want a loopback address"},
		"unknown security":   {func(o *SMTPOptions) { o.Security = 9 }, "unknown value 9"},
		"greeting":           {func(o *SMTPOptions) { o.Hello = "a\r\nb" }, "hello"},
		"timeout":            {func(o *SMTPOptions) { o.Timeout = -1 }, "timeout"},
		"wait":               {func(o *SMTPOptions) { o.Wait = 2 * MaxRetryAfter }, "wait"},
		"all at once":        {func(o *SMTPOptions) { o.Addr, o.From = "", "" }, "host:port\nsmtp: from"},
	} {
		o := good
		row.change(&o)
		_, err := NewSMTP(o)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `address "" is not `, ""), row.want) || strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("%s: got %v, want %q in it", name, err, row.want)
		}
	}
}
