package smtpclient

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Extensions are what a server announced in its reply to EHLO. After STARTTLS, what it
// announced before counts for nothing (RFC 3207 4.2). The zero value is a server that
// knows HELO only.
type Extensions struct {
	ESMTP bool // EHLO or LHLO was accepted
	// Keywords are all lines but the first, as they came.
	Keywords []string

	StartTLS     bool
	Size         int64 // most octets of a message; 0: not said
	HasSize      bool  // SIZE was announced
	EightBitMIME bool
	SMTPUTF8     bool
	Pipelining   bool
	Chunking     bool
	BinaryMIME   bool // with Chunking
	DSN          bool
	RequireTLS   bool
	Enhanced     bool // ENHANCEDSTATUSCODES
	// FutureRelease, with the most seconds and the last time, if said (RFC 4865).
	FutureRelease bool
	HoldFor       int64
	HoldUntil     time.Time
	Limits        ServerLimits
	Auth          []string // mechanisms in upper case
}

// ServerLimits are those that a server announced by LIMITS (RFC 9422); 0: not said.
type ServerLimits struct {
	MailMax       int // messages on a connection
	RcptMax       int // recipients of a message
	RcptDomainMax int // different domains of the recipients of a message
}

// parseExtensions parses the lines of a reply to EHLO, the first being the greeting.
// What it does not understand it leaves out.
func parseExtensions(lines []string) Extensions {
	e := Extensions{ESMTP: true}
	for i, line := range lines {
		if i == 0 {
			continue
		}
		line = printable(line)
		e.Keywords = append(e.Keywords, line)
		f := strings.Fields(line)
		if len(f) > 0 {
			e.add(strings.ToUpper(f[0]), f[1:])
		}
	}
	e.BinaryMIME = e.BinaryMIME && e.Chunking
	return e
}

func (e *Extensions) add(keyword string, params []string) {
	flags := map[string]*bool{
		"STARTTLS": &e.StartTLS, "8BITMIME": &e.EightBitMIME, "SMTPUTF8": &e.SMTPUTF8, "PIPELINING": &e.Pipelining, "CHUNKING": &e.Chunking,
		"BINARYMIME": &e.BinaryMIME, "DSN": &e.DSN, "REQUIRETLS": &e.RequireTLS, "ENHANCEDSTATUSCODES": &e.Enhanced,
	}
	if flag := flags[keyword]; flag != nil {
		*flag = true
		return
	}
	switch {
	case keyword == "SIZE":
		e.HasSize = true
		if len(params) > 0 {
			e.Size = number(params[0])
		}
	case keyword == "FUTURERELEASE":
		e.addFutureRelease(params)
	case keyword == "LIMITS":
		e.Limits.add(params)
	case keyword == "AUTH":
		e.addAuth(params)
	case strings.HasPrefix(keyword, "AUTH="):
		// A form from before RFC 2554, which some servers announce for old clients.
		e.addAuth(append([]string{keyword[len("AUTH="):]}, params...))
	}
}

func (e *Extensions) addAuth(mechanisms []string) {
	for _, m := range mechanisms {
		m = strings.ToUpper(m)
		if m != "" && !slices.Contains(e.Auth, m) {
			e.Auth = append(e.Auth, m)
		}
	}
}

func (e *Extensions) addFutureRelease(params []string) {
	e.FutureRelease = true
	if len(params) > 0 {
		e.HoldFor = number(params[0])
	}
	if len(params) > 1 {
		if t, err := time.Parse(time.RFC3339, params[1]); err == nil {
			e.HoldUntil = t.UTC()
		}
	}
}

func (l *ServerLimits) add(params []string) {
	names := map[string]*int{"MAILMAX": &l.MailMax, "RCPTMAX": &l.RcptMax, "RCPTDOMAINMAX": &l.RcptDomainMax}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		// RFC 9422 3: at most six digits. A server that takes nothing would not say so here.
		if v := names[strings.ToUpper(name)]; v != nil && len(value) <= 6 {
			*v = int(number(value))
		}
	}
}

// number parses digits; 0 for what is not a number that fits.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
