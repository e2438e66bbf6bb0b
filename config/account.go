package config

import "time"

// Account is an entry of Dynamic.Accounts.
type Account struct {
	OutgoingWebhook              *OutgoingWebhook       `sconf:"optional" sconf-doc:"Call an HTTP URL about what becomes of messages sent by this account."`
	IncomingWebhook              *IncomingWebhook       `sconf:"optional" sconf-doc:"Call an HTTP URL about messages delivered to this account."`
	FromIDLoginAddresses         []string               `sconf:"optional" sconf-doc:"Messages sent by logins with one of these addresses get a unique MAIL FROM address (you+id@domain), so that bounces can be matched to messages, as webhooks need. Addresses of this account, at domains with a catchall separator."`
	KeepRetiredMessagePeriod     time.Duration          `sconf:"optional" sconf-doc:"How long to keep messages in the queue after delivery or failure, for review, such as 168h. Default: 0s, not kept; envelopes of delivered messages are remembered for 5 days all the same, to match notifications that come later (DSNs)."`
	KeepRetiredWebhookPeriod     time.Duration          `sconf:"optional" sconf-doc:"How long to keep webhook calls after success or failure. Default: 0s, not kept."`
	LoginDisabled                string                 `sconf:"optional" sconf-doc:"If not empty, logins are refused with this text, at most 256 printable ASCII characters. Mail is still delivered."`
	NoSharing                    bool                   `sconf:"optional" sconf-doc:"The account neither shares mailboxes with others, nor sees what they share (IMAP access control lists)."`
	Domain                       string                 `sconf-doc:"Default domain of the account, a domain of this file; may be empty. Completes Destinations given without domain, and decides about names and settings shown to the user."`
	Description                  string                 `sconf:"optional" sconf-doc:"Free text."`
	FullName                     string                 `sconf:"optional" sconf-doc:"Name of the user, for the From header of webmail."`
	Destinations                 map[string]Destination `sconf:"optional" sconf-doc:"Addresses of the account, each with settings for mail to it, or nil for none. Keys are full addresses; @domain is for all addresses of a domain that nobody has (catchall). A localpart alone is deprecated, it is completed with Domain."`
	SubjectPass                  SubjectPass            `sconf:"optional" sconf-doc:"Rejected first-time senders with verified mail are told a token; with that in the subject their next message is accepted. For accounts that get mail from strangers they do not want to miss."`
	QuotaMessageSize             int64                  `sconf:"optional" sconf-doc:"Total size in bytes of all messages, overriding the setting in mox.conf if not 0. Negative: no limit."`
	QuotaMessages                int64                  `sconf:"optional" sconf-doc:"Number of messages, overriding the setting in mox.conf if not 0. Negative: no limit."`
	QuotaMailboxes               int64                  `sconf:"optional" sconf-doc:"Number of mailboxes, overriding the setting in mox.conf if not 0. Negative: no limit."`
	RejectsMailbox               string                 `sconf:"optional" sconf-doc:"Mailbox in which messages that were rejected as junk are kept for a while, to find those rejected by mistake; such as Rejects. Not Inbox. Default: not kept."`
	KeepRejects                  bool                   `sconf:"optional" sconf-doc:"Do not remove old messages from RejectsMailbox."`
	QueueMailbox                 string                 `sconf:"optional" sconf-doc:"Mailbox in which messages of this account are shown that could not be delivered at once; it is made when there are some. Deleting one there cancels its delivery, moving it to the mailbox for drafts takes it back. Default: Queue."`
	ScheduledMailbox             string                 `sconf:"optional" sconf-doc:"The same for messages that are to be sent later, or are on hold. Default: Scheduled."`
	NoQueueMailboxes             bool                   `sconf:"optional" sconf-doc:"Do not show messages of the queue in mailboxes."`
	Introbox                     string                 `sconf:"optional" sconf-doc:"Mailbox for messages from senders never seen before that would go to Inbox. Neither Inbox nor RejectsMailbox. Default: none."`
	AutomaticJunkFlags           AutomaticJunkFlags     `sconf:"optional" sconf-doc:"Mark messages as junk or not when they are moved or delivered to certain mailboxes, so that mail programs without junk button can train the filter."`
	JunkFilter                   *JunkFilter            `sconf:"optional" sconf-doc:"Filter that learns from the words in messages. Default: none."`
	MaxOutgoingMessagesPerDay    int                    `sconf:"optional" sconf-doc:"Recipients that this account may send to in 24 hours. Limits the harm when a password is stolen. Default: 1000."`
	MaxFirstTimeRecipientsPerDay int                    `sconf:"optional" sconf-doc:"Recipients never written to before that this account may send to in 24 hours. Default: 200."`
	TrustedARCSealers            []string               `sconf:"optional" sconf-doc:"Domains of servers that forward mail to this account and are trusted to say (with ARC, RFC 8617) that a message passed DMARC before they changed it, in addition to the global ones."`
	NoFirstTimeSenderDelay       bool                   `sconf:"optional" sconf-doc:"Accept messages from first-time senders without delay."`
	NoCustomPassword             bool                   `sconf:"optional" sconf-doc:"The user cannot choose a password, only have one generated."`
	IMAPCapabilitiesDisabled     []string               `sconf:"optional" sconf-doc:"IMAP capabilities not to announce after login, in upper case, for mail programs that have trouble with one. E.g. COMPRESS=DEFLATE."`
	Routes                       []Route                `sconf:"optional" sconf-doc:"Routes for mail sent by this account, tried before those of the domain and the global ones."`
}

// Defaults of Account.QueueMailbox and ScheduledMailbox.
const (
	DefaultQueueMailbox     = "Queue"
	DefaultScheduledMailbox = "Scheduled"
)

// OutgoingWebhook is Account.OutgoingWebhook.
type OutgoingWebhook struct {
	URL           string   `sconf-doc:"URL to POST to, http or https."`
	Authorization string   `sconf:"optional" sconf-doc:"Value of the Authorization header, such as: Basic dXNlcjpwYXNzd29yZA=="`
	Events        []string `sconf:"optional" sconf-doc:"Events to call for: delivered, suppressed, delayed, failed, relayed, expanded, canceled, unrecognized, complained. Default: all."`
}

// IncomingWebhook is Account.IncomingWebhook.
type IncomingWebhook struct {
	URL           string `sconf-doc:"URL to POST to, http or https."`
	Authorization string `sconf:"optional" sconf-doc:"Value of the Authorization header."`
}

// SubjectPass is Account.SubjectPass.
type SubjectPass struct {
	Period time.Duration `sconf-doc:"How long a token is valid, such as 12h."`
}

// AutomaticJunkFlags is Account.AutomaticJunkFlags.
type AutomaticJunkFlags struct {
	Enabled              bool   `sconf-doc:"Whether to set flags. If none of the expressions matches a mailbox, flags are left as they are; but when exactly two are set, the third stands for all other mailboxes. A mailbox with special use Junk is always for junk."`
	JunkMailboxRegexp    string `sconf:"optional" sconf-doc:"Regular expression for names of mailboxes, in lower case, whose messages are junk. Example: ^(junk|spam)"`
	NeutralMailboxRegexp string `sconf:"optional" sconf-doc:"For mailboxes whose messages are neither. Example: ^(inbox|neutral|postmaster|dmarc|tlsrpt|rejects)"`
	NotJunkMailboxRegexp string `sconf:"optional" sconf-doc:"For mailboxes whose messages are not junk. Example: ^archive"`
}

// JunkFilter is Account.JunkFilter.
type JunkFilter struct {
	Threshold float64    `sconf-doc:"Probability of junk from which messages are rejected, between 0 and 1. Example: 0.95"`
	Params    JunkParams `sconf-doc:"How the probability is computed."`
}

// JunkParams is JunkFilter.Params.
type JunkParams struct {
	Onegrams    bool    `sconf:"optional" sconf-doc:"Look at single words."`
	Twograms    bool    `sconf:"optional" sconf-doc:"Look at pairs of words. Recommended, together with Onegrams."`
	Threegrams  bool    `sconf:"optional" sconf-doc:"Look at three words in a row."`
	MaxPower    float64 `sconf-doc:"How sure a single word can make, between 0 and 0.5: with 0.01 words count as at most 99% and at least 1% junk. Example: 0.01"`
	TopWords    int     `sconf-doc:"How many of the strongest words are used, of those for and of those against junk, in header and in text each; 0 is all. Example: 100"`
	IgnoreWords float64 `sconf:"optional" sconf-doc:"Words that say little are left out: those whose probability is closer than this to 0.5. Between 0 and 0.5. Default: 0. Example: 0.1"`
	RareWords   int     `sconf:"optional" sconf-doc:"Words seen in about this many messages count less: the weight of one seen n times is multiplied by n/(n+RareWords/2). Default: 0. Example: 1"`
}

// Destination is an entry of Account.Destinations.
type Destination struct {
	Mailbox                      string    `sconf:"optional" sconf-doc:"Mailbox for mail that no ruleset matches. Made on first delivery. Default: Inbox."`
	Rulesets                     []Ruleset `sconf:"optional" sconf-doc:"Rules for delivery; the first that matches decides. Good for mailing lists, notifications and forwarded mail."`
	SMTPError                    string    `sconf:"optional" sconf-doc:"Refuse mail to this address with this reply: 421 (temporary, sent as 451) or 550 (permanent), optionally followed by a text. Not together with Mailbox and Rulesets. Example: 550 no more mail here"`
	MessageAuthRequiredSMTPError string    `sconf:"optional" sconf-doc:"Refuse mail whose From address is not verified by SPF or DKIM, permanently with this text. For addresses that must not get forged mail."`
	FullName                     string    `sconf:"optional" sconf-doc:"Name to use in the From header with this address, instead of the account's."`
	Forward                      *Forward  `sconf:"optional" sconf-doc:"Pass mail to this address on to others, also at other servers. What is taken for junk stays here. Not together with SMTPError."`
}

// Forward is Destination.Forward.
type Forward struct {
	Addresses []string `sconf-doc:"Addresses to pass messages on to, with the content as it came. The envelope gets a sender address of this server (SRS), so that SPF at the next server passes and notifications of failures come back, which are passed on to the original sender. They do not count against the limits for outgoing mail of the account."`
	NoCopy    bool     `sconf:"optional" sconf-doc:"Do not keep a copy in the account."`
	SealARC   bool     `sconf:"optional" sconf-doc:"Add a seal (ARC, RFC 8617) with the results of the checks made here, for next servers that trust this one. With the first DKIM key of the domain of this address; without a key there is no seal."`
}

// Ruleset is a rule of a Destination. It matches if all that is set in it matches.
type Ruleset struct {
	SMTPMailFromRegexp     string            `sconf:"optional" sconf-doc:"Regular expression for a part of the MAIL FROM address. Example: bounce.*@lists\\.example\\.org$"`
	MsgFromRegexp          string            `sconf:"optional" sconf-doc:"Regular expression for a part of the From address, if there is exactly one."`
	VerifiedDomain         string            `sconf:"optional" sconf-doc:"Domain, or one above it, that was verified: by DKIM, or by SPF of MAIL FROM or EHLO. For mailing lists and forwarding."`
	HeadersRegexp          map[string]string `sconf:"optional" sconf-doc:"Regular expressions for header fields, names to values, both seen in lower case. Each must match some field. Example: ^list-id$ with value <announce\\.lists\\.example\\.org>. A colon in a name cannot be written; it is not needed."`
	IsForward              bool              `sconf:"optional" sconf-doc:"Messages were forwarded by a server we asked to do so: DMARC failures are not held against them, and nothing of the forwarder counts as reputation. Needs SMTPMailFromRegexp and VerifiedDomain; not with ListAllowDomain."`
	ListAllowDomain        string            `sconf:"optional" sconf-doc:"Verified domain of a mailing list whose messages are accepted without checks for junk, since the list has checked, and rejecting would get us unsubscribed."`
	AcceptRejectsToMailbox string            `sconf:"optional" sconf-doc:"Do not reject junk, but accept it into this mailbox. For servers that forward to us and must not see rejects. Not Inbox."`
	Mailbox                string            `sconf-doc:"Mailbox to deliver to."`
	Comment                string            `sconf:"optional" sconf-doc:"Free text."`
}
