package dsn

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"mox/message"
	"mox/smtp"
)

// Bounds of texts from which something is guessed.
const (
	maxText      = 256 << 10 // octets
	maxLine      = 2000      // octets of a line that count
	maxLines     = 2000      // up to the original
	maxGuessed   = 100       // recipients
	maxReason    = 30        // lines of a reason
	maxReasonGap = 2         // empty lines in a reason
)

// Any is ParsePart, and Guess for what has no status. The error is as of those.
func Any(r io.ReaderAt, root *message.Part) (*Report, error) {
	rep, err := ParsePart(r, root)
	if err == nil || !errors.Is(err, ErrNone) && !errors.Is(err, ErrStatus) {
		return rep, err
	}
	guessed, e := Guess(r, root)
	if errors.Is(e, ErrNone) {
		return nil, err
	}
	return guessed, e
}

// Guess reads a notification that is text for people only, as those of programs before and
// beside RFC 3464 are: it must come from a mail system, by the looks of its header, and have
// phrases as these programs write them. What is found is [Report.Guessed]. The error is
// ErrNone, or that of r.
func Guess(r io.ReaderAt, root *message.Part) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(root.Header(r), maxHeader))
	if err != nil {
		return nil, fmt.Errorf("reading notification: %w", err)
	}
	h := message.ParseHeader(b)
	if !fromSystem(h) {
		return nil, ErrNone
	}
	rep := &Report{Guessed: true}
	for _, p := range leaves(root) {
		switch {
		case rep.Returned == nil && isReturned(p):
			rep.Returned, rep.Full = p, p.IsMessage()
		case p.IsText() && !p.IsAttachment() && (rep.Text == nil || rep.Text.Subtype != "plain" && p.Subtype == "plain"):
			rep.Text = p
		}
	}
	if rep.Text == nil {
		return nil, ErrNone
	}
	text, err := io.ReadAll(io.LimitReader(rep.Text.VisibleText(r), maxText))
	if err != nil {
		return nil, fmt.Errorf("reading notification: %w", err)
	}
	g := newGuess(h, text)
	f := g.format()
	if f == nil {
		return nil, ErrNone
	}
	if rep.Format, rep.Status = f.name, g.status(f); rep.Status == nil {
		return nil, ErrNone
	}
	if rep.Returned != nil {
		rep.MessageID = originalID(r, rep.Returned)
	}
	rep.MessageID = cmp.Or(rep.MessageID, g.originalID(), repliedID(r, root))
	return rep, nil
}

// systems are localparts that mail systems write notifications from.
var systems = []string{"mailer-daemon", "mailerdaemon", "postmaster", "mail-daemon", "maildaemon", "mdaemon", "mmdf", "mail", "mailsystem", "mail-system", "smtp", "daemon", "system", "microsoftexchange", "bounce", "bounces"}

// fromSystem tells whether a message is from a mail system.
func fromSystem(h *message.Header) bool {
	if h.Has("X-Failed-Recipients") || strings.TrimSpace(h.Get("Return-Path")) == "<>" {
		return true
	}
	for _, a := range message.ParseAddressList(h.Get("From"), 5) {
		box := strings.ToLower(a.Mailbox)
		if slices.Contains(systems, box) || strings.HasPrefix(box, "mailer-daemon") || strings.HasPrefix(box, "microsoftexchange") {
			return true
		}
	}
	return false
}

// guess is a text that is looked at.
type guess struct {
	h     *message.Header
	lines []string // up to the original, without white space at the end
	lower []string // them in lower case, with spaces trimmed
	all   string   // lower, on one line
	after []byte   // what is behind the marker of the original
	whole []byte
}

// markers announce the original in a text.
var markers = []string{
	"copy of the message", "copy of your message", "unsent message follows", "original message follows", "message header follows", "message headers follow",
	"returned message", "original message headers", "undelivered message follows", "the header of the original", "original message", "message text follows", "message header",
}

func newGuess(h *message.Header, text []byte) *guess {
	g := &guess{h: h, whole: text}
	var all strings.Builder
	at := 0
	for line := range bytes.Lines(text) {
		at += len(line)
		s := strings.TrimRight(string(line[:min(len(line), maxLine)]), " \t\r\n")
		l := strings.ToLower(strings.TrimSpace(s))
		if isMarker(l) {
			g.after = text[at:]
			break
		}
		if len(g.lines) == maxLines {
			break
		}
		g.lines, g.lower = append(g.lines, s), append(g.lower, l)
		all.WriteString(l)
		all.WriteByte(' ')
	}
	g.all = strings.ReplaceAll(all.String(), "’", "'")
	return g
}

// isMarker tells whether a line, in lower case, announces the original: it stands between dashes, or
// ends with a colon.
func isMarker(l string) bool {
	if len(l) < 10 || !strings.HasPrefix(l, "--") && !strings.HasSuffix(l, "--") && !strings.HasSuffix(l, ":") {
		return false
	}
	return slices.ContainsFunc(markers, func(m string) bool { return strings.Contains(l, m) })
}

var messageIDRE = regexp.MustCompile(`(?mi)^[> \t]*Message-ID:[\s>]{0,8}(<[^<>\s]{1,900}>)`)

// originalID finds the Message-ID of the original in the text.
func (g *guess) originalID() string {
	text := g.after
	if text == nil {
		text = g.whole
	}
	if m := messageIDRE.FindSubmatch(text); m != nil {
		return firstID(string(m[1]))
	}
	return ""
}

func (g *guess) has(phrase string) bool { return strings.Contains(g.all, phrase) }

// format finds who wrote the text, nil if it is none that is known.
func (g *guess) format() *format {
	for i := range formats {
		f := &formats[i]
		if slices.ContainsFunc(f.phrases, g.has) || f.header != "" && g.h.Has(f.header) {
			return f
		}
	}
	return nil
}

// status makes a status of the text; nil when there is no recipient in it.
func (g *guess) status(f *format) *Status {
	action := Failed
	if slices.ContainsFunc(delays, g.has) {
		action = Delayed
	}
	s := &Status{Recipients: g.recipients(f, action)}
	if f.header != "" {
		for _, a := range message.ParseAddressList(strings.Join(g.h.Values(f.header), ", "), maxGuessed) {
			if s.find(a.Addr()) == nil && len(s.Recipients) < maxGuessed {
				s.Recipients = append(s.Recipients, Recipient{Final: smtp.ORcpt{Type: "rfc822", Address: clean(a.Addr())}, Action: Failed})
			}
		}
	}
	for i := range s.Recipients {
		g.diagnose(&s.Recipients[i], len(s.Recipients) == 1)
	}
	if f.sure {
		s.Recipients = slices.DeleteFunc(s.Recipients, func(r Recipient) bool { return strings.HasSuffix(r.Status, ".0.0") && r.Diagnostic.Type != "smtp" })
	}
	if len(s.Recipients) == 0 {
		return nil
	}
	return s
}

func (s *Status) find(address string) *Recipient {
	for i := range s.Recipients {
		if strings.EqualFold(s.Recipients[i].Final.Address, address) {
			return &s.Recipients[i]
		}
	}
	return nil
}

// recipients goes through the lines.
func (g *guess) recipients(f *format, action Action) []Recipient {
	s := &Status{}
	open := len(f.starts) == 0
	var cur *Recipient
	var reason []string
	gap := 0
	end := func() {
		if cur != nil && cur.Diagnostic.Text == "" {
			cur.Diagnostic.Text = clean(strings.Join(reason, " "))
		}
		cur, reason, gap = nil, nil, 0
	}
	for i, line := range g.lines {
		if a, ok := g.startsAt(f, i, action); ok {
			end()
			open, action = true, a
		} else if slices.ContainsFunc(f.ends, func(e string) bool { return strings.Contains(g.lower[i], e) }) {
			end()
			open = len(f.starts) == 0
			continue
		}
		if !open {
			continue
		}
		if address, rest, ok := lineAddress(line, f.colon); ok && len(s.Recipients) < maxGuessed {
			end()
			if cur = s.find(address); cur == nil {
				a := action
				if strings.Contains(rest, "transient") {
					a = Delayed
				}
				s.Recipients = append(s.Recipients, Recipient{Final: smtp.ORcpt{Type: "rfc822", Address: address}, Action: a})
				cur = &s.Recipients[len(s.Recipients)-1]
			}
			if rest != "" {
				reason = append(reason, rest)
			}
			continue
		}
		if cur == nil {
			continue
		}
		if line = strings.TrimSpace(line); line != "" {
			reason, gap = append(reason, line), 0
		} else {
			gap++
		}
		if len(reason) > maxReason || gap > maxReasonGap || gap > 0 && f.paragraph && len(reason) > 0 {
			end()
		}
	}
	end()
	return s.Recipients
}

// startsAt tells whether recipients follow line i, and what happened to them. A phrase may
// begin on the line before.
func (g *guess) startsAt(f *format, i int, action Action) (Action, bool) {
	two := g.lower[i]
	if two == "" {
		return "", false
	}
	if i > 0 {
		two = g.lower[i-1] + " " + two
	}
	for _, s := range f.starts {
		if k := strings.LastIndex(two, s.phrase); k >= 0 && k+len(s.phrase) > len(two)-len(g.lower[i]) {
			return cmp.Or(s.action, action), true
		}
	}
	return "", false
}

var (
	bareRE  = regexp.MustCompile(`^(?:[*•-] +)?["'‘]?([^\s<>()\[\]:;,"'’]+@[^\s<>()\[\]:;,"'’]+\.[^\s<>()\[\]:;,"'’.]+)["'’]?(?:<mailto:[^>]*>)?( *\([^)]*\))?(?:$|,$|([:;].*)$|(\.\.\..*)$|( *\(.*)$|( on .*)$)`)
	angleRE = regexp.MustCompile(`^(?:[*•-] +)?<([^<>\s]+@[^<>\s]+)>( *\([^)]*\))?(?:$|,$|([:;].*)$|(\.\.\..*)$|( *\(.*)$|( on .*)$)`)
)

// lineAddress takes the address with which a line begins, and what is behind it. With colon, it
// must be as in "<address>: reason".
func lineAddress(line string, colon bool) (address, rest string, ok bool) {
	line = strings.TrimSpace(line)
	m := angleRE.FindStringSubmatch(line)
	if m == nil && !colon {
		m = bareRE.FindStringSubmatch(line)
	}
	if m == nil || colon && !strings.HasPrefix(m[3], ":") {
		return "", "", false
	}
	if _, err := smtp.ParseAddressLax(m[1]); err != nil {
		return "", "", false
	}
	for _, r := range m[2:] {
		rest += r
	}
	return clean(m[1]), strings.TrimSpace(strings.TrimLeft(rest, ":;. ")), true
}

// diagnose finds codes for a recipient: in its reason, in a line that names it, or, when it is
// the only one, anywhere.
func (g *guess) diagnose(r *Recipient, only bool) {
	code, enhanced := findCodes(r.Diagnostic.Text)
	for i := 0; i < len(g.lines) && code == 0; i++ {
		line := g.lines[i]
		if !only && !strings.Contains(g.lower[i], strings.ToLower(r.Final.Address)) {
			continue
		}
		c, e := findCodes(line)
		if c == 0 && (e == "" || enhanced != "") {
			continue
		}
		code, enhanced = c, cmp.Or(e, enhanced)
		if c != 0 || r.Diagnostic.Text == "" {
			r.Diagnostic.Text = clean(line)
		}
	}
	if code != 0 {
		r.Diagnostic.Type = "smtp"
		r.Diagnostic.Text = clean(reply(r.Diagnostic.Text, code))
	} else if r.Diagnostic.Text != "" {
		r.Diagnostic.Type = "x-text"
	}
	switch {
	case enhanced != "":
		r.Status = enhanced
	case code != 0:
		r.Status = string(rune('0'+code/100)) + ".0.0"
		if c := cause(r.Diagnostic.Text, r.Action); code/100 == int(c[0]-'0') {
			r.Status = c
		}
	default:
		r.Status = cause(r.Diagnostic.Text, r.Action)
	}
}

// reply is the part of a text that begins with the code of a reply.
func reply(text string, code int) string {
	want := fmt.Sprint(code)
	for i := 0; i+3 <= len(text); i++ {
		if text[i:i+3] == want && (i == 0 || text[i-1] < '0' || text[i-1] > '9') && (i+3 == len(text) || text[i+3] < '0' || text[i+3] > '9') {
			return want + " " + strings.TrimLeft(text[i+3:], " -:#")
		}
	}
	return want + " " + text
}
