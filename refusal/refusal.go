package refusal

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Kind is what a refusal is about.
type Kind string

// Kinds of refusals.
const (
	Authentication Kind = "authentication" // SPF, DKIM, DMARC
	Reverse        Kind = "reverse"        // reverse DNS, name in HELO
	Blocklist      Kind = "blocklist"      // our address or domain is in a list
	Reputation     Kind = "reputation"     // they do not know us, or nothing good
	Rate           Kind = "rate"           // too much at a time
	Greylisting    Kind = "greylisting"    // it is to be tried again, which is done
	Content        Kind = "content"        // of the message
	Form           Kind = "form"           // the message or its header is not as it should be
	Size           Kind = "size"
	Recipient      Kind = "recipient" // no such address, or it takes no mail
	Full           Kind = "full"      // mailbox
	Sender         Kind = "sender"    // the address of the sender is not liked
	Relay          Kind = "relay"     // the server is not for that domain
	TLS            Kind = "tls"
	Network        Kind = "network" // no connection
	DNS            Kind = "dns"
	Theirs         Kind = "theirs" // a fault of the other server
	Policy         Kind = "policy" // of the other side, not said which
	Unknown        Kind = "unknown"
)

// Reply is what another server answered, or why there is no answer.
type Reply struct {
	Code     int    // 0: there was no reply
	Enhanced string // as in "5.7.1"; may be empty
	Text     string // all lines, joined in any way
	Host     string // that answered; may be empty

	IP        netip.Addr // of ours that it was sent from, if known
	Domain    string     // of the author; may be empty
	Recipient string     // address; may be empty
}

// Advice is a refusal in plain words.
type Advice struct {
	Provider string `json:",omitempty"` // "": no known one
	Kind     Kind
	// Retried: the refusal is temporary, so the queue tries again by itself.
	Retried bool
	Meaning string // sentences
	Remedy  string // what to do, exactly; sentences
}

// maxText bounds what is looked at of a text.
const maxText = 4096

// Decode finds out what a refusal means.
func Decode(r Reply) Advice {
	text := flat(r.Text)
	if r.Enhanced == "" {
		r.Enhanced = enhanced(text, r.Code)
	}
	p := provider(r.Host, text)
	a := Advice{Kind: Unknown, Retried: r.Code/100 == 4 || r.Code == 0 && !strings.HasPrefix(r.Enhanced, "5.")}
	if p != nil {
		a.Provider = p.name
	}
	row := find(r, p, text)
	if row == nil {
		row = byCode(r, text)
	}
	a.Kind, a.Meaning, a.Remedy = row.kind, row.meaning, row.remedy
	if a.Remedy == "" {
		a.Remedy = remedies[row.kind]
	}
	if p != nil && p.help != "" && asks[row.kind] {
		a.Remedy += " " + p.help
	}
	fill := filler(r, text, a)
	a.Meaning, a.Remedy = fill.Replace(a.Meaning), fill.Replace(a.Remedy)
	return a
}

// enhanced returns the enhanced code that a text begins with, after its code perhaps, or "". RFC 3463 2.
func enhanced(text string, code int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '-' })
	for _, w := range words[:min(len(words), 3)] {
		w = strings.Trim(w, "#[]():;,")
		parts := strings.Split(w, ".")
		if len(parts) != 3 || len(w) > 9 || strings.Trim(w, "0123456789.") != "" || slices.Contains(parts, "") {
			continue
		}
		if c := parts[0]; (c == "4" || c == "5") && (code == 0 || c == strconv.Itoa(code/100)) {
			return w
		}
	}
	return ""
}

// flat is a text in lower case on one line, with one space between words.
func flat(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.ToLower(strings.ToValidUTF8(text, ""))
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// find returns the first row that fits, those of the provider first.
func find(r Reply, p *operator, text string) *row {
	if p != nil {
		if row := first(r, p.rows, text); row != nil {
			return row
		}
	}
	return first(r, general, text)
}

func first(r Reply, rows []row, text string) *row {
	for i := range rows {
		if rows[i].fits(r, text) {
			return &rows[i]
		}
	}
	return nil
}

// fits tells whether a reply is of the row: the enhanced code begins as one of codes, if there are any, and
// the text has one of texts, if there are any.
func (w *row) fits(r Reply, text string) bool {
	if w.codes != "" {
		ok := false
		for c := range strings.FieldsSeq(w.codes) {
			// The class, temporary or not, says nothing about the reason.
			_, detail, _ := strings.Cut(r.Enhanced, ".")
			ok = ok || detail == c || strings.HasSuffix(c, "*") && strings.HasPrefix(detail, strings.TrimSuffix(c, "*"))
		}
		if !ok {
			return false
		}
	}
	if w.texts == "" {
		return true
	}
	for alt := range strings.SplitSeq(w.texts, "|") {
		if hasAll(text, alt) {
			return true
		}
	}
	return false
}

// hasAll tells whether text has the pieces of a pattern, which are between asterisks, in their order.
func hasAll(text, pattern string) bool {
	for piece := range strings.SplitSeq(pattern, "*") {
		i := strings.Index(text, piece)
		if i < 0 {
			return false
		}
		text = text[i+len(piece):]
	}
	return true
}

// provider finds out who answered, by the host, or by what its texts always have; nil: nobody known.
func provider(host, text string) *operator {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for i := range operators {
		p := &operators[i]
		for d := range strings.FieldsSeq(p.hosts) {
			if host == d || strings.HasSuffix(host, "."+d) {
				return p
			}
		}
	}
	for i := range operators {
		p := &operators[i]
		if p.signs == "" {
			continue
		}
		for sign := range strings.SplitSeq(p.signs, "|") {
			if hasAll(text, sign) {
				return p
			}
		}
	}
	return nil
}

// filler puts facts into the texts of the table.
func filler(r Reply, text string, a Advice) *strings.Replacer {
	ip := r.IP
	if !ip.IsValid() {
		ip = address(text)
	}
	addr := "the address of this server"
	command := "the address of this server"
	if ip.IsValid() {
		addr, command = ip.String(), ip.String()
	}
	domain := r.Domain
	if domain == "" {
		domain = "your domain"
	}
	who := a.Provider
	if who == "" {
		if who = r.Host; who == "" {
			who = "The other server"
		}
	}
	to := r.Recipient
	if to == "" {
		to = "the recipient"
	}
	return strings.NewReplacer("{ip}", addr, "{ipcommand}", command, "{domain}", domain, "{who}", who, "{to}", to)
}

// address returns the first public IP address in a text.
func address(text string) netip.Addr {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef.:", r) }) {
		ip, err := netip.ParseAddr(strings.Trim(word, "."))
		if err != nil {
			ip, err = netip.ParseAddr(strings.Trim(word, ".:"))
		}
		if err == nil && ip.IsGlobalUnicast() && !ip.IsPrivate() {
			return ip
		}
	}
	return netip.Addr{}
}
