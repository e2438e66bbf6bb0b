package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"mox/sconf"
	"mox/smtp"
)

// Defaults of accounts.
const (
	DefaultMaxOutgoingMessagesPerDay    = 1000
	DefaultMaxFirstTimeRecipientsPerDay = 200
)

// webhookEvents are the values of OutgoingWebhook.Events.
var webhookEvents = []string{"delivered", "suppressed", "delayed", "failed", "relayed", "expanded", "canceled", "unrecognized", "complained"}

func (c *dynamicChecker) checkAccount(p sconf.Path, name string) {
	conf := c.conf.Accounts[name]
	a := &AccountInfo{
		Name: name, Config: &conf,
		MaxOutgoingMessagesPerDay:    cmp.Or(conf.MaxOutgoingMessagesPerDay, DefaultMaxOutgoingMessagesPerDay),
		MaxFirstTimeRecipientsPerDay: cmp.Or(conf.MaxFirstTimeRecipientsPerDay, DefaultMaxFirstTimeRecipientsPerDay),
		Quota:                        max(0, cmp.Or(conf.QuotaMessageSize, c.static.QuotaMessageSize)),
		QuotaMessages:                max(0, cmp.Or(conf.QuotaMessages, c.static.QuotaMessages)),
		QuotaMailboxes:               max(0, cmp.Or(conf.QuotaMailboxes, c.static.QuotaMailboxes)),
		FromIDLogins:                 map[AddressKey]bool{},
	}
	c.snap.Accounts[name] = a
	if why := badAccountName(name); why != "" {
		c.errorf(p, "bad account name %q: %s", name, why)
	}
	c.checkWebhooks(p, &conf)
	c.notNegative(p.Key("KeepRetiredMessagePeriod"), conf.KeepRetiredMessagePeriod)
	c.notNegative(p.Key("KeepRetiredWebhookPeriod"), conf.KeepRetiredWebhookPeriod)
	c.replyText(p.Key("LoginDisabled"), conf.LoginDisabled)
	if conf.Domain != "" {
		if d, ok := c.domain(p.Key("Domain"), conf.Domain); ok && known(&c.checker, p.Key("Domain"), "domain", d.Name(), c.conf.Domains) {
			a.Domain = d
		}
	}
	c.notNegative(p.Key("SubjectPass", "Period"), conf.SubjectPass.Period)
	c.accountMailboxes(p, a)
	c.checkJunk(p, a)
	if conf.MaxOutgoingMessagesPerDay < 0 {
		c.errorf(p.Key("MaxOutgoingMessagesPerDay"), "must not be negative")
	}
	if conf.MaxFirstTimeRecipientsPerDay < 0 {
		c.errorf(p.Key("MaxFirstTimeRecipientsPerDay"), "must not be negative")
	}
	for i, s := range conf.IMAPCapabilitiesDisabled {
		if s == "" || s != strings.ToUpper(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			c.errorf(p.Key("IMAPCapabilitiesDisabled").Index(i), "bad capability %q, must be in upper case", s)
		}
	}
	a.Routes = c.checkRoutes(p.Key("Routes"), conf.Routes)
	for _, key := range sorted(conf.Destinations) {
		c.checkDestination(p.Key("Destinations", key), a, key)
	}
	c.checkFromIDLogins(p.Key("FromIDLoginAddresses"), a)
}

// badAccountName tells why a name cannot be that of a directory everywhere.
func badAccountName(name string) string {
	const maxName = 128
	switch {
	case name == "":
		return "empty"
	case len(name) > maxName:
		return "too long"
	case strings.HasPrefix(name, "."):
		return "must not start with a dot"
	case strings.TrimSpace(name) != name || strings.HasSuffix(name, "."):
		return "must not start or end with a space, nor end with a dot"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) }):
		return "has a character that file names cannot have"
	case name == "-" || name == "(admin)":
		return "has a special meaning in the log of logins"
	}
	return ""
}

func (c *dynamicChecker) checkWebhooks(p sconf.Path, conf *Account) {
	if w := conf.OutgoingWebhook; w != nil {
		p := p.Key("OutgoingWebhook")
		c.httpURL(p.Key("URL"), w.URL, "https", "http")
		for i, e := range w.Events {
			if c.oneOf(p.Key("Events").Index(i), e, webhookEvents...) && slices.Contains(w.Events[:i], e) {
				c.errorf(p.Key("Events").Index(i), "event %q is listed twice", e)
			}
		}
	}
	if w := conf.IncomingWebhook; w != nil {
		c.httpURL(p.Key("IncomingWebhook", "URL"), w.URL, "https", "http")
	}
}

func (c *dynamicChecker) accountMailboxes(p sconf.Path, a *AccountInfo) {
	if s := a.Config.RejectsMailbox; s != "" {
		a.RejectsMailbox = c.mailboxNotInbox(p.Key("RejectsMailbox"), s)
	}
	a.QueueMailbox, a.ScheduledMailbox = DefaultQueueMailbox, DefaultScheduledMailbox
	if s := a.Config.QueueMailbox; s != "" {
		a.QueueMailbox = c.mailboxNotInbox(p.Key("QueueMailbox"), s)
	}
	if s := a.Config.ScheduledMailbox; s != "" {
		a.ScheduledMailbox = c.mailboxNotInbox(p.Key("ScheduledMailbox"), s)
	}
	if a.RejectsMailbox != "" && (a.RejectsMailbox == a.QueueMailbox || a.RejectsMailbox == a.ScheduledMailbox) {
		c.errorf(p.Key("RejectsMailbox"), "must be another mailbox than those for the queue")
	}
	a.TrustedARCSealers = c.domains(p.Key("TrustedARCSealers"), a.Config.TrustedARCSealers)
	if s := a.Config.Introbox; s != "" {
		a.Introbox = c.mailboxNotInbox(p.Key("Introbox"), s)
		if a.Introbox != "" && a.Introbox == a.RejectsMailbox {
			c.errorf(p.Key("Introbox"), "must be another mailbox than RejectsMailbox")
		}
	}
}

func (c *dynamicChecker) checkJunk(p sconf.Path, a *AccountInfo) {
	flags := a.Config.AutomaticJunkFlags
	fp := p.Key("AutomaticJunkFlags")
	a.JunkMailbox = c.regexp(fp.Key("JunkMailboxRegexp"), flags.JunkMailboxRegexp)
	a.NeutralMailbox = c.regexp(fp.Key("NeutralMailboxRegexp"), flags.NeutralMailboxRegexp)
	a.NotJunkMailbox = c.regexp(fp.Key("NotJunkMailboxRegexp"), flags.NotJunkMailboxRegexp)

	f := a.Config.JunkFilter
	if f == nil {
		return
	}
	jp := p.Key("JunkFilter")
	inRange := func(p sconf.Path, v, hi float64) {
		if v < 0 || v > hi {
			c.errorf(p, "must be from 0 to %v", hi)
		}
	}
	inRange(jp.Key("Threshold"), f.Threshold, 1)
	jp = jp.Key("Params")
	inRange(jp.Key("MaxPower"), f.Params.MaxPower, 0.5)
	inRange(jp.Key("IgnoreWords"), f.Params.IgnoreWords, 0.5)
	if f.Params.TopWords < 0 {
		c.errorf(jp.Key("TopWords"), "must not be negative")
	}
	if f.Params.RareWords < 0 {
		c.errorf(jp.Key("RareWords"), "must not be negative")
	}
	if !f.Params.Onegrams && !f.Params.Twograms && !f.Params.Threegrams {
		c.warnf(jp, "none of Onegrams, Twograms and Threegrams is set, so the filter has nothing to look at")
	}
}

func (c *dynamicChecker) checkFromIDLogins(p sconf.Path, a *AccountInfo) {
	for i, s := range a.Config.FromIDLoginAddresses {
		p := p.Index(i)
		addr, d := c.ownAddress(p, s)
		if d == nil {
			continue
		}
		dest := c.snap.addresses[d.BaseKey(addr.Localpart)]
		if dest == nil {
			dest = c.snap.addresses[d.Key("")]
		}
		switch {
		case dest == nil || dest.Account != a.Name:
			c.errorf(p, "%s is not an address of this account", s)
		case len(d.Separators) == 0:
			c.errorf(p, "domain %s has no LocalpartCatchallSeparator, which is needed for unique addresses", d.Domain.Name())
		}
		a.FromIDLogins[d.Key(addr.Localpart)] = true
	}
}

// ownAddress parses an address in one of our domains. The domain is nil after an error.
func (c *dynamicChecker) ownAddress(p sconf.Path, s string) (smtp.Address, *DomainInfo) {
	addr, ok := c.address(p, s)
	if !ok {
		return addr, nil
	}
	d := c.snap.Domain(addr.Domain)
	if d == nil {
		c.errorf(p, "domain of %s is not configured", s)
	}
	return addr, d
}

// destinationAddress parses a key of Destinations.
func (c *dynamicChecker) destinationAddress(p sconf.Path, a *AccountInfo, key string) (smtp.Address, bool) {
	if s, ok := strings.CutPrefix(key, "@"); ok {
		d, ok := c.domain(p, s)
		return smtp.Address{Domain: d}, ok
	}
	if strings.Contains(key, "@") {
		return c.address(p, key)
	}
	lp, ok := c.localpart(p, key)
	if !ok {
		return smtp.Address{}, false
	}
	if a.Domain.IsZero() {
		c.errorf(p, "address without domain, and the account has no default domain")
		return smtp.Address{}, false
	}
	c.warnf(p, "an address without domain is deprecated, write %s@%s", key, a.Domain.Name())
	return smtp.Address{Localpart: lp, Domain: a.Domain}, true
}

func (c *dynamicChecker) checkDestination(p sconf.Path, a *AccountInfo, key string) {
	dest := &DestinationInfo{Account: a.Name, Key: key, Config: a.Config.Destinations[key]}
	c.destinationSettings(p, dest)
	a.Destinations = append(a.Destinations, dest)
	addr, ok := c.destinationAddress(p, a, key)
	if !ok {
		return
	}
	dest.Address = addr
	d := c.snap.Domain(addr.Domain)
	if d == nil {
		c.errorf(p, "domain %s is not configured%s", addr.Domain.Name(), didYouMean(addr.Domain.Name(), sorted(c.conf.Domains)))
		return
	}
	k := d.Key(addr.Localpart)
	if _, _, ok := d.SplitLocalpart(k.Localpart); ok {
		c.errorf(p, "localpart has a separator of domain %s, so mail to it goes to the address without it", d.Domain.Name())
	}
	if other := c.snap.addresses[k]; other != nil {
		c.errorf(p, "address is also %s", other.describe())
		return
	}
	c.snap.addresses[k] = dest
}

// describe tells users what an address is.
func (d *DestinationInfo) describe() string {
	if d.Key != "" {
		return fmt.Sprintf("a destination of account %q", d.Account)
	}
	return "an address for reports"
}

// smtpErrorRegexp: the codes have their meaning from the existing release.
var smtpErrorRegexp = regexp.MustCompile(`^(421|550)( .*)?$`)

func (c *dynamicChecker) destinationSettings(p sconf.Path, dest *DestinationInfo) {
	conf := dest.Config
	dest.Mailbox = Inbox
	if conf.Mailbox != "" {
		dest.Mailbox = c.mailbox(p.Key("Mailbox"), conf.Mailbox)
	}
	if m := smtpErrorRegexp.FindStringSubmatch(conf.SMTPError); m != nil {
		dest.SMTPErrorCode = 550
		if m[1] == "421" {
			// RFC 5321 3.8: 421 says that the connection closes.
			dest.SMTPErrorCode = 451
		}
		dest.SMTPErrorText = strings.TrimSpace(m[2])
	} else if conf.SMTPError != "" {
		c.errorf(p.Key("SMTPError"), "must start with 421 or 550, followed by a space and a text, or by nothing")
	}
	c.replyText(p.Key("SMTPError"), conf.SMTPError)
	if conf.SMTPError != "" && (conf.Mailbox != "" || len(conf.Rulesets) > 0) {
		c.errorf(p.Key("SMTPError"), "cannot be together with Mailbox or Rulesets")
	}
	if conf.Forward != nil {
		c.checkForwarding(p.Key("Forward"), dest)
	}
	c.replyText(p.Key("MessageAuthRequiredSMTPError"), conf.MessageAuthRequiredSMTPError)
	for i, rs := range conf.Rulesets {
		dest.Rulesets = append(dest.Rulesets, c.checkRuleset(p.Key("Rulesets").Index(i), rs))
	}
}

// maxForward is how many addresses a destination may forward to: more are a list.
const maxForward = 20

func (c *dynamicChecker) checkForwarding(p sconf.Path, dest *DestinationInfo) {
	conf := dest.Config.Forward
	if len(conf.Addresses) == 0 || len(conf.Addresses) > maxForward {
		c.errorf(p.Key("Addresses"), "must have 1 to %d addresses", maxForward)
	}
	if dest.Config.SMTPError != "" {
		c.errorf(p, "cannot be together with SMTPError")
	}
	for i, s := range conf.Addresses {
		addr, ok := c.address(p.Key("Addresses").Index(i), s)
		switch {
		case !ok:
		case slices.Contains(dest.Forward, addr):
			c.errorf(p.Key("Addresses").Index(i), "address %s is listed twice", s)
		case strings.EqualFold(s, dest.Key):
			c.errorf(p.Key("Addresses").Index(i), "address %s is that of the destination itself", s)
		default:
			dest.Forward = append(dest.Forward, addr)
		}
	}
}

func (c *dynamicChecker) checkRuleset(p sconf.Path, rs Ruleset) RulesetInfo {
	info := RulesetInfo{Config: rs}
	info.SMTPMailFrom = c.regexp(p.Key("SMTPMailFromRegexp"), rs.SMTPMailFromRegexp)
	info.MsgFrom = c.regexp(p.Key("MsgFromRegexp"), rs.MsgFromRegexp)
	for _, name := range sorted(rs.HeadersRegexp) {
		hp := p.Key("HeadersRegexp", name)
		h := HeaderRegexp{c.regexp(hp, name), c.regexp(hp, rs.HeadersRegexp[name])}
		if h.Name == nil {
			h.Name = anything
		}
		if h.Value == nil {
			h.Value = anything
		}
		info.Headers = append(info.Headers, h)
	}
	if rs.VerifiedDomain != "" {
		info.VerifiedDomain, _ = c.domain(p.Key("VerifiedDomain"), rs.VerifiedDomain)
	}
	if rs.ListAllowDomain != "" {
		info.ListAllowDomain, _ = c.domain(p.Key("ListAllowDomain"), rs.ListAllowDomain)
	}
	if rs.SMTPMailFromRegexp == "" && rs.MsgFromRegexp == "" && rs.VerifiedDomain == "" && len(rs.HeadersRegexp) == 0 {
		c.errorf(p, "at least one of SMTPMailFromRegexp, MsgFromRegexp, VerifiedDomain and HeadersRegexp is needed")
	}
	if rs.IsForward && (rs.SMTPMailFromRegexp == "" || rs.VerifiedDomain == "") {
		c.errorf(p.Key("IsForward"), "needs SMTPMailFromRegexp and VerifiedDomain")
	}
	if rs.IsForward && rs.ListAllowDomain != "" {
		c.errorf(p.Key("IsForward"), "cannot be together with ListAllowDomain")
	}
	if rs.AcceptRejectsToMailbox != "" {
		info.AcceptRejectsToMailbox = c.mailboxNotInbox(p.Key("AcceptRejectsToMailbox"), rs.AcceptRejectsToMailbox)
	}
	info.Mailbox = c.mailbox(p.Key("Mailbox"), rs.Mailbox)
	return info
}

var anything = regexp.MustCompile(``)

// addReports adds the addresses for reports.
func (c *dynamicChecker) addReports() {
	for _, name := range sorted(c.snap.Domains) {
		d := c.snap.Domains[name]
		p := sconf.Path{"Domains", name}
		if d.DMARC != nil {
			if dest := c.reportDestination(&c.checker, p.Key("DMARC"), d.DMARC); dest != nil {
				dest.DMARCReports = append(dest.DMARCReports, d.Domain)
			}
		}
		if d.TLSRPT != nil {
			if dest := c.reportDestination(&c.checker, p.Key("TLSRPT"), d.TLSRPT); dest != nil {
				dest.TLSReports = append(dest.TLSReports, d.Domain)
			}
		}
	}
}

// reportDestination returns the destination for a report address, which several reports
// may share. Nil after an error.
func (c *dynamicChecker) reportDestination(errs *checker, p sconf.Path, r *ReportAddress) *DestinationInfo {
	k := AddressKey{strings.ToLower(norm.NFC.String(string(r.Address.Localpart))), r.Address.Domain.Name()}
	if d := c.snap.Domain(r.Address.Domain); d != nil {
		k = d.Key(r.Address.Localpart)
	}
	if k.Localpart == "" || k.Domain == "" {
		return nil
	}
	dest := c.snap.addresses[k]
	switch {
	case dest == nil:
		dest = &DestinationInfo{Account: r.Account, Address: r.Address, Mailbox: r.Mailbox}
		c.snap.addresses[k] = dest
	case dest.Key != "":
		errs.errorf(p.Key("Localpart"), "address %s is also %s; remove it there, it is added by itself", r.Address, dest.describe())
		return nil
	case dest.Account != r.Account || dest.Mailbox != r.Mailbox:
		errs.errorf(p.Key("Localpart"), "address %s is also for other reports, which go to account %q, mailbox %q", r.Address, dest.Account, dest.Mailbox)
		return nil
	}
	return dest
}

// markReportsOnly finds domains that are there for reports about them only.
func (c *dynamicChecker) markReportsOnly() {
	used := map[string]bool{}
	for k := range c.snap.addresses {
		used[k.Domain] = true
	}
	for k := range c.snap.aliases {
		used[k.Domain] = true
	}
	for name, d := range c.snap.Domains {
		d.ReportsOnly = !used[name] && (d.DMARC != nil || d.TLSRPT != nil)
	}
}
