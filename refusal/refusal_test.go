package refusal

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// TestProviders: what large providers and lists answer leads to the right advice.
func TestProviders(t *testing.T) {
	tests := []struct {
		host     string
		code     int
		enhanced string
		text     string
		provider string
		kind     Kind
		has      string // in meaning or remedy
	}{
		{"gmail-smtp-in.l.google.com", 550, "5.7.26", "5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. Authentication results: DKIM = did not pass SPF [example.org] with ip: [192.0.2.1] = did not pass gsmtp", "Gmail", Authentication, "mox config dnscheck example.org"},
		{"", 550, "", "550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy. Please contact the administrator of example.org domain gsmtp", "Gmail", Authentication, "DMARC policy of example.org"},
		{"", 550, "5.7.25", "[198.51.100.7] The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not match the sending IP. gsmtp", "Gmail", Reverse, "198.51.100.7"},
		{"aspmx.l.google.com", 550, "5.7.1", "[198.51.100.7] Our system has detected that this message is likely suspicious due to the very low reputation of the sending IP address. To best protect our users from spam, the message has been blocked.", "Gmail", Reputation, "postmaster.google.com"},
		{"aspmx.l.google.com", 421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail originating from your IP Netblock", "Gmail", Rate, "tried again"},
		{"aspmx.l.google.com", 550, "5.7.1", "[2001:db8::1] Our system has detected that this message does not meet IPv6 sending guidelines regarding PTR records and authentication.", "Gmail", Reverse, "IPv6"},
		{"aspmx.l.google.com", 550, "5.7.1", "[203.0.113.9] The IP you're using to send mail is not authorized to send email directly to our servers. Please use the SMTP relay at your service provider instead.", "Gmail", Blocklist, "Transports"},
		{"aspmx.l.google.com", 550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address", "Gmail", Recipient, "a@example.net"},
		{"aspmx.l.google.com", 452, "4.2.2", "The recipient's inbox is out of storage space.", "Gmail", Full, "full"},
		{"aspmx.l.google.com", 552, "5.7.0", "This message was blocked because its content presents a potential security issue.", "Gmail", Content, "other means"},
		{"aspmx.l.google.com", 552, "5.3.4", "Your message exceeded Google's message size limits.", "Gmail", Size, "25 MB"},
		{"aspmx.l.google.com", 550, "5.7.40", "The sending domain doesn't have a DMARC record, or the DMARC record doesn't specify a policy", "Gmail", Authentication, "_dmarc.example.org"},
		{"aspmx.l.google.com", 450, "4.2.1", "The user you are trying to contact is receiving mail too quickly.", "Gmail", Rate, "a@example.net"},
		{"aspmx.l.google.com", 421, "4.7.29", "Your email has been rate limited because this message wasn't sent over a TLS connection", "Gmail", TLS, "without TLS"},
		{"aspmx.l.google.com", 550, "5.7.1", "Messages missing a valid Message-ID header are not accepted. gsmtp", "Gmail", Form, "Message-ID"},

		{"x-com.mail.protection.outlook.com", 550, "5.7.606", "Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit https://sender.office.com/", "Microsoft", Blocklist, "https://sender.office.com"},
		{"hotmail-com.olc.protection.outlook.com", 550, "5.7.1", "Unfortunately, messages from [198.51.100.7] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).", "Microsoft", Blocklist, "olcsupport.office.com, with 198.51.100.7"},
		{"", 451, "4.7.650", "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775)", "", Rate, ""},
		{"hotmail-com.olc.protection.outlook.com", 451, "4.7.650", "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)", "Microsoft", Rate, "Smart Network"},
		{"hotmail-com.olc.protection.outlook.com", 550, "5.7.515", "Access denied, sending domain EXAMPLE.ORG doesn't meet the required authentication level.", "Microsoft", Authentication, "dnscheck"},
		{"hotmail-com.olc.protection.outlook.com", 550, "5.7.509", "Access denied, sending domain example.org does not pass DMARC verification and has a DMARC policy of reject.", "Microsoft", Authentication, "DMARC"},
		{"x.mail.protection.outlook.com", 550, "5.7.511", "Access denied, banned sender[192.0.2.1]. To request removal from this list please forward this message to delist@messaging.microsoft.com.", "Microsoft", Blocklist, "delist@microsoft.com"},
		{"x.mail.protection.outlook.com", 550, "5.4.1", "Recipient address rejected: Access denied. [AM.outlook.com] AS(201806281)", "Microsoft", Recipient, "no address"},
		{"x.mail.protection.outlook.com", 550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "Microsoft", Recipient, "no address"},
		{"x.mail.protection.outlook.com", 451, "4.7.500", "Server busy. Please try again later from [192.0.2.1]. (S77719) [x.prod.outlook.com]", "Microsoft", Rate, "wait"},
		{"x.mail.protection.outlook.com", 550, "5.7.708", "Service unavailable. Access denied, traffic not accepted from this IP.", "Microsoft", Reputation, "know it"},
		{"x.mail.protection.outlook.com", 550, "5.7.133", "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed", "Microsoft", Policy, "group"},
		{"x.mail.protection.outlook.com", 550, "5.7.23", "The message was rejected because of Sender Policy Framework violation -> 550 5.7.23", "Microsoft", Authentication, "SPF"},
		{"mx.hotmail.com", 550, "", "DY-001 (BAY) Unfortunately, messages from 192.0.2.1 weren't sent.", "Microsoft", Blocklist, "192.0.2.1"},
		{"x.mail.protection.outlook.com", 554, "5.2.2", "mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "Microsoft", Full, "full"},

		{"mta7.am0.yahoodns.net", 421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes", "Yahoo", Rate, "senders.yahooinc.com"},
		{"mta7.am0.yahoodns.net", 553, "5.7.2", "[TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.", "Yahoo", Reputation, "senders.yahooinc.com/contact"},
		{"mta7.am0.yahoodns.net", 553, "5.7.1", "[BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list; see https://postmaster.yahooinc.com/550-bl23.html", "Yahoo", Blocklist, "check.spamhaus.org"},
		{"mta7.am0.yahoodns.net", 550, "5.7.9", "This mail has been blocked because the sender is unauthenticated. Yahoo requires all senders to authenticate with either SPF or DKIM.", "Yahoo", Authentication, "SPF or DKIM"},
		{"mta7.am0.yahoodns.net", 554, "5.7.9", "Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", "Yahoo", Policy, "DMARC"},
		{"mta7.am0.yahoodns.net", 554, "", "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", "Yahoo", Recipient, "no mailbox"},
		{"mta7.am0.yahoodns.net", 554, "", "Message not allowed - [PH01] Email not accepted for policy reasons.", "Yahoo", Content, "fraud"},

		{"mx01.mail.icloud.com", 550, "5.7.1", "[CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", "iCloud", Reputation, "icloudadmin@apple.com"},
		{"mx01.mail.icloud.com", 554, "5.7.1", "Your message was rejected due to example.org's DMARC policy.", "iCloud", Authentication, "DMARC"},
		{"mx01.mail.icloud.com", 550, "5.7.0", "Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "iCloud", Blocklist, "ipcheck.proofpoint.com"},
		{"mx01.mail.icloud.com", 552, "5.2.2", "user is over quota", "iCloud", Full, "full"},

		{"mx1.x.pphosted.com", 554, "", "Blocked - see https://ipcheck.proofpoint.com/?ip=203.0.113.7", "Proofpoint", Blocklist, "?ip=203.0.113.7"},
		{"", 550, "5.7.0", "Local Policy Violation", "", Policy, "rules"},
		{"mx1.x.pphosted.com", 550, "5.7.0", "Local Policy Violation", "Proofpoint", Policy, "Ask the recipient"},
		{"eu-smtp-inbound-1.mimecast.com", 451, "", "Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451", "Mimecast", Greylisting, "try again"},
		{"eu-smtp-inbound-1.mimecast.com", 554, "", "Email rejected due to security policies - https://community.mimecast.com/docs/DOC-1369#554", "Mimecast", Content, "allowed"},
		{"mx00.t-online.de", 554, "", "IP=203.0.113.7 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.)", "T-Online", Reputation, "tosa@rx.t-online.de with 203.0.113.7"},
		{"mx00.emig.gmx.net", 554, "", "gmx.net (mxgmx017) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record. For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=rdns", "GMX and WEB.DE", Reverse, "reverse name"},
		{"mx-ha.web.de", 554, "", "Transaction failed Reject due to policy restrictions. For explanation visit https://postmaster.web.de", "GMX and WEB.DE", Reputation, "error-messages"},
		{"mail.example.net", 554, "5.7.1", "Service unavailable; Client host [203.0.113.7] blocked using Trend Micro Email Reputation Service. Please see http://www.mail-abuse.com/", "Trend Micro", Blocklist, "trendmicro.com"},
		{"mail.example.net", 550, "", "5.7.1 Service unavailable; client [203.0.113.7] blocked using Barracuda Reputation; http://www.barracudanetworks.com/reputation/?pr=1&ip=203.0.113.7", "Barracuda", Blocklist, "barracudacentral.org/rbl/removal-request, with 203.0.113.7"},
		{"mx.comcast.net", 554, "5.7.1", "resimta 203.0.113.7 Comcast block for spam. BL000001. See http://postmaster.comcast.net/smtp-error-codes.php#BL000001", "Comcast", Blocklist, "block-removal"},
		{"mx1.hc1-x.iphmx.com", 554, "", "Your access to this mail system has been rejected due to the sending MTA's poor reputation. If you believe that this failure is in error, please contact the intended recipient via alternate means.", "Cisco Talos", Reputation, "talosintelligence"},

		{"mail.example.net", 554, "5.7.1", "Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/sbl/query/SBLCSS", "", Blocklist, "check.spamhaus.org"},
		{"mail.example.net", 554, "5.7.1", "Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/pbl/203.0.113.7", "", Blocklist, "homes"},
		{"mail.example.net", 550, "", "Blocked by dbl.spamhaus.org: example.org", "", Blocklist, "domain in the message"},
		{"mail.example.net", 554, "5.7.1", "Client host blocked using zen.spamhaus.org; Error: open resolver; https://www.spamhaus.org/returnc/pub/192.0.2.5", "", Theirs, "nothing is wrong here"},
		{"mail.example.net", 554, "", "Blocked - see https://www.spamcop.net/bl.shtml?203.0.113.7", "", Blocklist, "within a day"},
		{"mail.example.net", 550, "5.7.1", "blocked by dnsbl-2.uceprotect.net", "", Blocklist, "Do not pay"},
		{"mail.example.net", 450, "4.2.0", "<a@example.net>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.net.html", "", Greylisting, "this server does"},
		{"mail.example.net", 450, "4.7.1", "Client host rejected: cannot find your reverse hostname, [203.0.113.7]", "", Reverse, "203.0.113.7"},
		{"mail.example.net", 550, "5.7.1", "<mail.example.org>: Helo command rejected: Host not found", "", Reverse, "Hostname in mox.conf"},
		{"mail.example.net", 550, "5.1.1", "<a@example.net>: Recipient address rejected: User unknown in local recipient table", "", Recipient, "no address"},
		{"mail.example.net", 554, "5.7.1", "<a@example.net>: Relay access denied", "", Relay, "MX records"},
		{"mail.example.net", 450, "4.1.8", "<x@example.org>: Sender address rejected: Domain not found", "", Sender, "dnscheck example.org"},
		{"mail.example.net", 550, "5.7.1", "Spam message rejected", "", Content, "junk"},
		{"mail.example.net", 552, "5.3.4", "Message size exceeds fixed limit", "", Size, "link"},
		{"mail.example.net", 550, "5.7.23", "x", "", Authentication, "SPF"},
		{"mail.example.net", 550, "", "SPF check failed", "", Authentication, "SPF"},
		{"mail.example.net", 550, "5.7.1", "DMARC check failed, policy reject", "", Authentication, "DMARC"},
		{"mail.example.net", 452, "4.2.2", "x", "", Full, "full"},
		{"mail.example.net", 556, "5.1.10", "x", "", Recipient, "no mail at all"},
		{"mail.example.net", 550, "5.7.1", "go away", "", Policy, "postmaster"},
		{"mail.example.net", 550, "", "", "", Recipient, "a@example.net"},
		{"mail.example.net", 450, "", "not now", "", Greylisting, "minutes"},
		{"mail.example.net", 421, "", "closing", "", Theirs, ""},
		{"mail.example.net", 599, "", "qwerty", "", Unknown, "qwerty"},
		{"", 0, "", "connecting to 192.0.2.9:25: i/o timeout", "", Network, "port 25"},
		{"", 0, "5.4.4", "no such host", "", DNS, "spelling"},
		{"", 0, "", "tls certificate: x509: certificate has expired (MTA-STS)", "", TLS, "TLS-Required"},
	}
	for _, tc := range tests {
		a := Decode(Reply{Code: tc.code, Enhanced: tc.enhanced, Text: tc.text, Host: tc.host, Domain: "example.org", Recipient: "a@example.net"})
		if tc.has == "qwerty" {
			tc.has = "not a known one"
		}
		if a.Provider != tc.provider || a.Kind != tc.kind || !strings.Contains(a.Meaning+" "+a.Remedy, tc.has) {
			t.Errorf("%d %s %s\n\t= %+v\n\twant %q, %s, with %q", tc.code, tc.enhanced, tc.text, a, tc.provider, tc.kind, tc.has)
		}
		if retried := tc.code/100 == 4 || tc.code == 0 && !strings.HasPrefix(tc.enhanced, "5."); a.Retried != retried {
			t.Errorf("%s: Retried %v", tc.text, a.Retried)
		}
	}
}

// TestTable: each row can be reached and says what to do, and no placeholder is misspelled.
func TestTable(t *testing.T) {
	place := regexp.MustCompile(`\{[a-z]*\}`)
	known := map[string]bool{"{ip}": true, "{ipcommand}": true, "{domain}": true, "{who}": true, "{to}": true}
	check := func(w row) {
		if w.meaning == "" || !strings.HasSuffix(w.meaning, ".") || w.remedy == "" && remedies[w.kind] == "" {
			t.Errorf("%+v", w)
		}
		if w.texts != flat(w.texts) {
			t.Errorf("pattern %q never fits", w.texts)
		}
		for _, p := range place.FindAllString(w.meaning+w.remedy+remedies[w.kind], -1) {
			if !known[p] {
				t.Errorf("unknown %s in %+v", p, w)
			}
		}
	}
	for _, o := range operators {
		for _, w := range o.rows {
			check(w)
		}
		if o.signs != strings.ToLower(o.signs) || o.hosts == "" && o.signs == "" {
			t.Errorf("%+v", o)
		}
	}
	for _, w := range append(general, codes...) {
		check(w)
	}
}

// TestAddress: our address is taken from the text when it is not known.
func TestAddress(t *testing.T) {
	for text, want := range map[string]string{"client [203.0.113.7] blocked": "203.0.113.7", "ip=2001:db8::1.": "2001:db8::1", "10.0.0.1 5.7.1 no": "", "x": "", "203.0.113.7: no": "203.0.113.7"} {
		got := address(text)
		if want == "" && got.IsValid() || want != "" && got != netip.MustParseAddr(want) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(550, "5.7.1", "Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org", "mx.example.net")
	f.Add(421, "", "421-4.7.28 gsmtp", "aspmx.l.google.com")
	f.Fuzz(func(t *testing.T, code int, enhanced, text, host string) {
		a := Decode(Reply{Code: code, Enhanced: enhanced, Text: text, Host: host})
		if a.Kind == "" || a.Meaning == "" || a.Remedy == "" {
			t.Errorf("%+v", a)
		}
	})
}
