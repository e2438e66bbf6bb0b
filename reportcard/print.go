package reportcard

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"

	"mox/queue"
	"mox/refusal"
)

var labels = map[Level]string{OK: "ok", Poor: "POOR", Bad: "BAD"}

// Print writes the card as text.
func (c *Card) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Message from %s to %s\n", c.From, c.To)
	section(&b, c.Message)
	if c.Transport != "" {
		fmt.Fprintf(&b, "It goes by transport %s, so that receivers see the addresses of that server, and not of this one.\n", c.Transport)
	}
	for _, a := range c.Addresses {
		fmt.Fprintf(&b, "As seen by others, from %s\n", a.IP)
		section(&b, a.Lines)
	}
	if len(c.Receiver) > 0 {
		fmt.Fprintf(&b, "Servers of the recipient\n")
		section(&b, c.Receiver)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, lines []Line) {
	for _, l := range lines {
		fmt.Fprintf(b, "  %-5s%-12s %s\n", labels[l.Level], l.Name, shown(l.Text))
		if l.Remedy != "" {
			fmt.Fprintf(b, "       %s\n", shown(l.Remedy))
		}
	}
}

// shown is a text of others without what a terminal would act on, on one line.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, text)
}

// Attempt is what an attempt gave, in words.
type Attempt struct {
	Number  int
	Success bool
	Host    string          `json:",omitempty"` // that was talked to
	Secure  bool            `json:",omitempty"` // by verified TLS
	Answer  string          `json:",omitempty"` // of the other server, or what went wrong
	Advice  *refusal.Advice `json:",omitempty"` // nil: it succeeded
}

// Explain puts a result of the queue into words.
func Explain(number int, r queue.Result, m *queue.Message, ip netip.Addr) Attempt {
	a := Attempt{Number: number, Success: r.Success, Host: r.RemoteMTA, Secure: r.Secure}
	if r.Success {
		return a
	}
	a.Answer = strings.TrimSpace(r.Error)
	advice := refusal.Decode(refusal.Reply{Code: r.Code, Enhanced: r.Enhanced, Text: r.Error, Host: r.RemoteMTA, IP: ip, Domain: m.SenderDomain.ASCII, Recipient: m.Recipient.String()})
	a.Advice = &advice
	return a
}

// Print writes what an attempt gave.
func (a Attempt) Print(w io.Writer) error {
	if a.Success {
		how := "without verified TLS"
		if a.Secure {
			how = "by verified TLS"
		}
		_, err := fmt.Fprintf(w, "attempt %d: %s took it, %s\n", a.Number, a.Host, how)
		return err
	}
	who := a.Advice.Provider
	if who != "" {
		who = " (" + who + ")"
	}
	_, err := fmt.Fprintf(w, "attempt %d: %s%s did not take it: %s\n  means: %s\n  do:    %s\n", a.Number, a.Host, who, shown(a.Answer), a.Advice.Meaning, a.Advice.Remedy)
	return err
}
