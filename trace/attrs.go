package trace

import (
	"log/slog"
	"strings"
)

// Attrs are the facts for logs and spans, without what tells who wrote to whom: names of domains and results, no
// localparts, no subject.
func (f *Facts) Attrs() []slog.Attr {
	var l []slog.Attr
	add := func(key, text string) {
		if text != "" {
			l = append(l, slog.String(key, text))
		}
	}
	add("mail.trusted", f.Trusted)
	if f.Remote.IsValid() {
		add("client.address", f.Remote.String())
	}
	add("smtp.hello", f.Hello)
	add("tls.version", f.TLS)
	add("mail.from.domain", domainOf(f.From))
	if f.Size > 0 {
		l = append(l, slog.Int64("mail.size", f.Size))
	}
	if f.IPRev != nil {
		add("check.iprev", f.IPRev.Status)
	}
	for _, s := range f.SPF {
		add("check.spf."+s.Identity, s.Status)
	}
	var dkim []string
	for _, d := range f.DKIM {
		dkim = append(dkim, d.Domain+"="+d.Status)
	}
	add("check.dkim", strings.Join(dkim, " "))
	if f.DMARC != nil {
		add("check.dmarc", f.DMARC.Status)
	}
	if f.ARC != nil {
		add("check.arc", f.ARC.Status)
	}
	add("mail.validation", string(f.Validation))
	return l
}

// Attrs are what was decided for an account.
func (t *Trace) Attrs() []slog.Attr {
	l := []slog.Attr{slog.String("verdict.action", string(t.Verdict.Action)), slog.String("verdict.reason", t.Verdict.Reason)}
	if t.Account != "" {
		l = append(l, slog.String("account", t.Account))
	}
	if t.Verdict.Mailbox != "" {
		l = append(l, slog.String("mailbox", t.Verdict.Mailbox))
	}
	if t.Verdict.Code != 0 {
		l = append(l, slog.Int("smtp.code", t.Verdict.Code), slog.String("smtp.ecode", t.Verdict.Enhanced))
	}
	if t.Facts.DNSBL != nil {
		for _, d := range *t.Facts.DNSBL {
			l = append(l, slog.String("check.dnsbl."+d.Zone, d.Status))
		}
	}
	if r := t.Facts.Reputation; r != nil {
		l = append(l, slog.String("check.reputation", r.Method+" "+r.Judgment))
	}
	if w := t.Facts.Words; w != nil {
		l = append(l, slog.Float64("check.words", w.Probability))
	}
	return l
}
