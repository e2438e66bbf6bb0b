package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mox/atomicfile"
	"mox/config"
	"mox/sasl"
	"mox/sconf"
	"mox/smtp"
	"mox/smtpclient"
)

func sendmailCommands() []command {
	return []command{
		{words: "sendmail", args: "[-t] [-F name] [recipient ...]", prints: printsDone, short: "send the message on standard input by a submission server, as /usr/sbin/sendmail", max: -1, raw: true, run: runSendmail, help: sendmailHelp},
		{words: "config describe-sendmail", prints: printsText, short: "print moxsubmit.conf, the configuration of sendmail, with every field and its documentation", max: 0, run: runDescribeSendmail},
	}
}

func runDescribeSendmail(_ context.Context, p *program, _ []string) error {
	return config.DescribeSendmail(p.stdout)
}

const sendmailHelp = `
For programs such as cron: install it as /usr/sbin/sendmail, by a link to mox, and mail of
this machine goes to the submission server that /etc/moxsubmit.conf names. See "mox config
describe-sendmail". To keep the password from users, make the file readable for a group
only, and a copy of mox, named sendmail, setgid to it. All other commands refuse to run so.

Recipients are those given as arguments, and with -t those in the To, Cc and Bcc fields. The
Bcc field is removed. The From field is replaced by the configured address, with the name of
the message's own field or of -F; Date and Message-ID are added where missing. Other flags of
sendmail, such as -i, -oi and -f sender, are accepted and ignored; a line with a single dot
never ends the message. Modes that do not send a message, such as -bs, -bd, -bp and -q, are
refused.

If the message cannot be sent, it is kept as a file in the directory moxsubmit.failures in
the home directory, with the recipients and the reason in fields at its top, and the exit
status is 1.`

// Bounds of sendmail.
const (
	sendmailDial = 30 * time.Second
	sendmailAll  = 3 * time.Minute
	sendmailSize = 100 << 20 // octets
)

// sendmailArgs are the arguments of sendmail.
type sendmailArgs struct {
	header     bool // -t
	name       string
	recipients []string
}

// sendmailValues are the flags with a value, which may be the next argument.
const sendmailValues = "ABCDFLNORVXfhopr"

// parseSendmail parses arguments as sendmail does: letters that are flags may stand
// together, and a value may follow its flag directly.
func parseSendmail(args []string) (sendmailArgs, error) {
	var a sendmailArgs
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			args = args[1:]
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			break
		}
		args = args[1:]
		letters := arg[1:]
		for letters != "" {
			c := letters[0]
			letters = letters[1:]
			var value string
			if strings.IndexByte(sendmailValues, c) >= 0 {
				if value, letters = letters, ""; value == "" {
					if len(args) == 0 {
						return a, usagef("flag -%c needs a value", c)
					}
					value, args = args[0], args[1:]
				}
			}
			switch c {
			case 't':
				a.header = true
			case 'F':
				a.name = value
			case 'b':
				if letters != "m" {
					return a, usagef("mode -b%s is not supported: only messages on standard input are sent", letters)
				}
				letters = ""
			case 'q', 'I':
				return a, usagef("flag -%c is not supported: there is no queue and no alias database here", c)
			case 'd', 'e', 'M', 'Q':
				letters = "" // a value that is always in the same argument
			}
		}
	}
	a.recipients = args
	if !a.header && len(args) == 0 {
		return a, usagef("no recipients: give them as arguments, or -t to take them from the message")
	}
	return a, nil
}

func runSendmail(ctx context.Context, p *program, args []string) error {
	a, err := parseSendmail(args)
	if err != nil {
		return err
	}
	conf, o, err := readSubmitConf(p.submitConf)
	// What follows needs no borrowed rights: files are the user's, and so are mistakes.
	if dropErr := dropGroup(); dropErr != nil {
		return dropErr
	}
	raw, readErr := io.ReadAll(io.LimitReader(p.stdin, sendmailSize+1))
	if readErr != nil {
		return fmt.Errorf("reading message: %w", readErr)
	}
	if len(raw) > sendmailSize {
		return fmt.Errorf("message is larger than %d octets", sendmailSize)
	}
	if err != nil {
		return p.keep(raw, a.recipients, err)
	}
	m, err := composeSubmission(conf, a, raw, time.Now())
	if err != nil {
		return p.keep(raw, a.recipients, err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendmailAll)
	defer cancel()
	failed, err := m.send(ctx, conf, o)
	if err != nil {
		return p.keep(m.content, failed, err)
	}
	return nil
}

// readSubmitConf reads the configuration, and the key that it names. To a user who may not read it himself, errors
// do not show what is in it.
func readSubmitConf(path string) (*config.Sendmail, smtpclient.Options, error) {
	conf, err := config.ReadSendmail(path)
	if err != nil {
		var syntax sconf.Errors
		if os.Getgid() != os.Getegid() && errors.As(err, &syntax) {
			err = fmt.Errorf("%s: line %d: invalid configuration", path, syntax[0].Line)
		}
		return nil, smtpclient.Options{}, err
	}
	o, err := sendmailOptions(conf)
	return conf, o, err
}

// send submits the message. With an error, it returns the recipients that did not get it.
func (m *submission) send(ctx context.Context, conf *config.Sendmail, o smtpclient.Options) (failed []string, err error) {
	for _, r := range m.recipients {
		failed = append(failed, r.String())
	}
	d := net.Dialer{Timeout: sendmailDial}
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(conf.Host, strconv.Itoa(conf.Port)))
	if err != nil {
		return failed, fmt.Errorf("connecting to submission server: %w", err)
	}
	c, err := smtpclient.New(ctx, nc, o)
	if err != nil {
		return failed, fmt.Errorf("submission server %s: %w", conf.Host, err)
	}
	defer c.Close()
	msg, err := m.message(c.Extensions(), conf)
	if err != nil {
		return failed, err
	}
	results, err := c.Deliver(ctx, msg)
	failed = nil
	var errs []error
	for i, r := range results {
		if r == nil {
			continue
		}
		failed = append(failed, m.recipients[i].String())
		if err == nil || !errors.Is(r, err) {
			errs = append(errs, fmt.Errorf("recipient %s: %w", m.recipients[i], r))
		}
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("submission server %s: %w", conf.Host, err))
	}
	return failed, errors.Join(errs...)
}

// sendmailOptions makes the client's options of the configuration.
func sendmailOptions(conf *config.Sendmail) (smtpclient.Options, error) {
	o := smtpclient.Options{
		Hello:     conf.LocalHostname,
		TLSConfig: &tls.Config{ServerName: conf.Host, InsecureSkipVerify: conf.TLSInsecureSkipVerify},
	}
	switch {
	case conf.TLS:
		o.TLS = smtpclient.TLSImmediate
	case conf.STARTTLS:
		o.TLS = smtpclient.TLSRequired
	}
	login := smtpclient.Login{Username: conf.Username, Password: conf.Password, Cleartext: conf.AuthMethod == sasl.Plain}
	if conf.AuthMethod != "" {
		login.Mechanisms = []string{conf.AuthMethod}
	}
	if conf.Password == "" {
		cert, err := sendmailCertificate(conf)
		if err != nil {
			return o, err
		}
		o.TLSConfig.Certificates = []tls.Certificate{cert}
		login.Mechanisms = []string{sasl.External}
	}
	o.Auth = login.Auth
	return o, nil
}

// sendmailCertificate is the certificate that authenticates us.
func sendmailCertificate(conf *config.Sendmail) (tls.Certificate, error) {
	if file := conf.ClientAuthCertPrivateKeyPEMFile; file != "" {
		cert, err := tls.LoadX509KeyPair(file, file)
		if err != nil {
			return cert, fmt.Errorf("loading client certificate: %w", err)
		}
		return cert, nil
	}
	seed, err := base64.RawURLEncoding.DecodeString(conf.ClientAuthEd25519PrivateKey)
	if err != nil || len(seed) != ed25519.SeedSize {
		return tls.Certificate{}, errors.New("invalid ClientAuthEd25519PrivateKey")
	}
	key := ed25519.NewKeyFromSeed(seed)
	// Servers know the key; what else is in the certificate does not matter.
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making client certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// keep stores a message that was not sent, durably, and returns why with where it is.
func (p *program) keep(msg []byte, recipients []string, why error) error {
	path, err := storeFailure(p.homeDir(), failureFile(msg, recipients, why))
	if err != nil {
		return fmt.Errorf("%w; the message is lost, as storing it failed too: %w", why, err)
	}
	text := why.Error()
	var e *smtpclient.Error
	if errors.As(why, &e) && e.MayBeDelivered {
		text += " (it may have been sent nevertheless)"
	}
	return fmt.Errorf("message not sent, but kept in %s: %s", path, text)
}

// failureFile is the message with fields at its top: whom it is for, and why it was not
// sent.
func failureFile(msg []byte, recipients []string, why error) []byte {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	eol := "\n"
	if i := strings.IndexByte(string(msg[:min(len(msg), 1000)]), '\n'); i > 0 && msg[i-1] == '\r' {
		eol = "\r\n"
	}
	head := "X-Moxsubmit-Recipients: " + clean(strings.Join(recipients, ", ")) + eol + "X-Moxsubmit-Error: " + clean(why.Error()) + eol
	if !startsWithField(msg) {
		head += eol
	}
	return append([]byte(head), msg...)
}

// storeFailure writes a file of its own in the directory for failures.
func storeFailure(home string, data []byte) (path string, err error) {
	if home == "" {
		return "", errors.New("no home directory")
	}
	dir := filepath.Join(home, "moxsubmit.failures")
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := atomicfile.SyncDir(home); err != nil {
			return "", err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return "", err
	}
	f, err := os.CreateTemp(dir, "newmsg.*")
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), atomicfile.SyncDir(dir)
}

// homeDir is $HOME, or what the system has for the user; daemons may lack the first.
func (p *program) homeDir() string {
	if dir := p.getenv("HOME"); dir != "" {
		return dir
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// submission is a message to be sent by sendmail.
type submission struct {
	recipients []smtp.Path
	content    []byte // complete, with CRLF
}
