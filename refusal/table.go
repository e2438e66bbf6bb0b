package refusal

import (
	"slices"
	"strings"
)

// row is one refusal.
type row struct {
	codes string // details of enhanced codes, as "7.26 7.27" or "7.6*"; "": any
	texts string // alternatives separated by |, in lower case; * stands for anything; "": any
	kind  Kind

	meaning string
	remedy  string // "": that of the kind
}

// operator is one who runs servers for many.
type operator struct {
	name  string
	hosts string // domains of its servers
	signs string // pieces of texts that nobody else has, as row.texts
	help  string // where to ask about reputation, rates and lists
	rows  []row
}

// asks are kinds for which the provider can be asked.
var asks = map[Kind]bool{Reputation: true, Rate: true, Blocklist: true, Policy: true}

// remedies of kinds, where a row has none.
var remedies = map[Kind]string{
	Authentication: "See what is wrong with the records: mox config dnscheck {domain}. They are printed by: mox config dnsrecords {domain}.",
	Reverse:        "Set the reverse name (PTR) of {ip} to the host name of this server, at the provider of the machine; it has to have that address itself. Check it: mox dns lookup ptr {ipcommand}.",
	Blocklist:      "Open the page of the list that the answer names, for {ip}: it says why and how to be removed. First find out what was sent, and end it: mox queue list, mox trace {domain}.",
	Reputation:     "Nothing is wrong with the message as such. Send little at first, to people who expect it and answer, and increase over weeks; have reverse DNS, SPF, DKIM and DMARC in order: mox doctor.",
	Rate:           "Nothing has to be done for this message, it is tried again. Send less at a time to {who}; newsletters belong on a domain and address of their own.",
	Greylisting:    "Nothing: new senders are asked to try again after some minutes, and this server does.",
	Content:        "Change the text: links by their own domain and not by shorteners, no attachments that are programs or archives with a password. Send a plain text to the same recipient to see whether it is the content.",
	Form:           "Look at the message: mox queue dump, or with a copy in a file mox message parse. If a program made it, its header needs exactly one From, one Date and one Message-ID.",
	Size:           "Send a link in place of large attachments.",
	Recipient:      "Ask the recipient for the right address by other means. The address is on the list of those that are not sent to again for a while: mox queue suppress list.",
	Full:           "Tell the recipient by other means. It is tried again for some days if the refusal is temporary.",
	Sender:         "See that the domain of the sender has MX or address records, and that the address exists, since they may ask: mox config dnscheck {domain}.",
	Relay:          "The MX records of the recipient's domain lead to a server that does not know the domain: only its administrator can correct that. If a transport of yours is used, see its login (Transports in mox.conf).",
	TLS:            "Look at it: mox smtp dial and mox dane dialmx, with the name of their host and domain. If their certificate or records are wrong only they can correct it; a message with the field \"TLS-Required: No\" is sent all the same.",
	Network:        "If other destinations fail too, outgoing port 25 is probably blocked: mox status. Otherwise it is their server, and is tried again: mox dane dialmx with their domain.",
	DNS:            "Check the spelling of the domain after the @. If it is right, their DNS does not work at the moment: mox dns lookup mx with the domain.",
	Theirs:         "Nothing: it is their fault and is tried again, if it is temporary. If it lasts, tell their postmaster by other means.",
	Policy:         "They do not say which of their rules. Check what this server shows: mox doctor. Then write to their postmaster with the answer and the time.",
	Unknown:        "The text of the answer is all there is. Check what this server shows: mox doctor.",
}

const delist = "Ask for removal at https://sender.office.com (Outlook and Hotmail: https://olcsupport.office.com), with {ip}. It takes a day or two."

// operators are looked at in this order.
var operators = []operator{
	{
		name: "Gmail", hosts: "google.com googlemail.com gmail.com", signs: "gsmtp|gmail has detected|support.google.com/mail",
		help: "Register {domain} at https://postmaster.google.com to see what Gmail thinks of it.",
		rows: []row{
			{"7.26", "dmarc policy", Authentication, "Gmail refuses mail that claims to be from {domain}, since neither SPF nor DKIM vouches for it and the DMARC policy of {domain} asks to refuse that.", ""},
			{"", "unauthenticated|requires all senders to authenticate", Authentication, "Gmail wants SPF or DKIM to pass, and neither did.", ""},
			{"7.27", "", Authentication, "SPF did not pass at Gmail: the SPF record of {domain} does not have {ip}.", ""},
			{"7.30", "", Authentication, "DKIM did not pass at Gmail.", ""},
			{"7.32", "", Authentication, "The domain in From is neither that of SPF nor that of DKIM (alignment).", ""},
			{"7.40", "", Authentication, "{domain} has no DMARC record.", "Publish it: the line of _dmarc.{domain} that this prints: mox config dnsrecords {domain}."},
			{"7.24", "", Authentication, "The SPF record of {domain} has entries that Gmail mistrusts, such as far too many addresses.", "List only servers that really send. Check it: mox spf lookup {domain}."},
			{"7.25 7.23", "", Reverse, "{ip} has no reverse name, or that name does not have the address {ip}.", ""},
			{"", "does not have a ptr|ptr record", Reverse, "{ip} has no reverse name, or that name does not have the address {ip}. For IPv6 Gmail insists on it.", ""},
			{"", "ipv6 sending guidelines", Reverse, "Gmail takes mail over IPv6 only from addresses with reverse name, and with SPF or DKIM that passes.", "Set the reverse name (PTR) of {ip}, or send by IPv4 only. " + "See: mox doctor."},
			{"", "not authorized to send email directly", Blocklist, "Gmail takes {ip} for an address of homes or of a dynamic range, which should not send mail themselves.", "Ask the provider for an address for servers with a reverse name of its own, or send through another server: Transports and Routes in mox.conf (mox config describe-static)."},
			{"7.28", "", Rate, "Gmail got more unwanted mail from this address, network or domain than it likes, and slows it down.", ""},
			{"", "unusual rate of unsolicited", Rate, "Gmail got more unwanted mail from this address, network or domain than it likes, and slows it down.", ""},
			{"7.29", "", TLS, "The message came without TLS, which Gmail wants.", "See why there is no TLS, the transport or route that is used for example: mox dane dialmx gmail.com."},
			{"", "very low reputation of the sending domain", Reputation, "Gmail has seen hardly anything good from {domain}.", ""},
			{"", "very low reputation", Reputation, "Gmail has seen hardly anything good from {ip}.", ""},
			{"", "likely unsolicited mail|likely suspicious", Reputation, "Gmail takes the message for junk.", ""},
			{"", "potential security issue", Content, "The message has an attachment or a link that Gmail never takes, such as a program.", "Send the file by other means, or a link to it."},
			{"", "message-id", Form, "The header has no valid Message-ID.", ""},
			{"", "does not have a from header|multiple addresses in from|not rfc 5322", Form, "The header has no From field as Gmail wants it: exactly one.", ""},
			{"", "exceeded google's message size limits", Size, "Gmail takes messages up to 25 MB (with attachments encoded about 18 MB of files).", ""},
			{"", "at a rate that prevents|too quickly", Rate, "{to} gets so much mail at the moment that Gmail takes no more.", ""},
			{"", "over quota|out of storage", Full, "The mailbox of {to} is full.", ""},
			{"", "is disabled|is inactive", Recipient, "The account {to} is disabled.", ""},
			{"1.1", "", Recipient, "There is no Gmail address {to}.", ""},
		},
	},
	{
		name: "Microsoft", hosts: "outlook.com hotmail.com office365.com microsoft.com protection.outlook.com", signs: "outlook.com|sender.office.com|delist.office.com|olcsupport|protection.outlook",
		help: "See the page of Smart Network Data Services for {ip}: https://sendersupport.olc.protection.outlook.com/snds/.",
		rows: []row{
			{"7.515", "", Authentication, "Outlook wants SPF, DKIM and DMARC to pass for {domain}, which they did not.", ""},
			{"7.509", "", Authentication, "DMARC does not pass, and the policy of {domain} asks to refuse that.", ""},
			{"7.23", "", Authentication, "The SPF record of {domain} does not have {ip}.", ""},
			{"", "sender policy framework", Authentication, "The SPF record of {domain} does not have {ip}.", ""},
			{"7.60* 7.61* 7.62* 7.63* 7.64*", "", Blocklist, "Microsoft 365 has banned {ip}.", "Ask for removal at https://sender.office.com, with {ip}: enter an address for the answer, and follow the link that comes."},
			{"7.511", "", Blocklist, "Microsoft 365 has banned {ip}, more severely than usual.", "Forward the answer as it is to delist@microsoft.com."},
			{"", "s3140|s3150|part of their network is on our block list", Blocklist, "Outlook.com and Hotmail refuse the network of {ip}, often because of neighbours or as nobody has sent from it for long.", "Ask for removal at https://olcsupport.office.com, with {ip}; when the first answer is a machine's that sees nothing wrong, reply and ask for a person to look again."},
			{"", "banned sending ip|banned sender", Blocklist, "Microsoft has banned {ip}.", delist},
			{"7.708", "", Reputation, "Microsoft 365 takes nothing from {ip} for the time being, since it does not know it.", ""},
			{"7.650 7.651 7.652", "", Rate, "Outlook slows {ip} down because of its reputation.", ""},
			{"", "s775|rate limited due to ip reputation", Rate, "Outlook slows {ip} down because of its reputation.", ""},
			{"7.500 7.501 7.502 7.503", "", Rate, "Microsoft 365 asks {ip} to wait, as it looks unusual.", ""},
			{"", "server busy", Rate, "Microsoft 365 asks {ip} to wait.", ""},
			{"7.512", "", Form, "The header has not exactly one From with a valid address (RFC 5322 3.6.2).", ""},
			{"7.750", "", Sender, "{domain} is not known to the Microsoft 365 tenant that the message goes out by.", "Register the domain there, or send it yourself: Transports and Routes in mox.conf."},
			{"7.1", "dy-001|ou-002|ou-001|dynamic", Blocklist, "{ip} is taken for an address of homes, or is in a list of Microsoft.", delist},
			{"", "dy-001|ou-001|ou-002|sc-001|sc-002|sc-003|sc-004", Blocklist, "Outlook.com refuses {ip} because of what came from it or its network.", delist},
			{"", "rp-001|rp-002|rp-003", Rate, "Outlook.com slows {ip} down: too many connections or messages for what it knows about it.", ""},
			{"7.133 7.124 7.129 7.136", "", Policy, "The recipient is a group or mailbox that takes mail of its own organization only.", "Ask the recipient's administrator to allow mail from outside, or write to a person."},
			{"4.1", "as201806281|access denied", Recipient, "There is no address {to} at that organization (refused at its edge).", ""},
			{"1.10", "", Recipient, "There is no address {to} at that organization.", ""},
			{"", "recipientnotfound|mailbox unavailable", Recipient, "There is no mailbox {to}.", ""},
			{"2.2", "", Full, "The mailbox of {to} is full.", ""},
			{"", "mailbox full|quota exceeded", Full, "The mailbox of {to} is full.", ""},
		},
	},
	{
		name: "Yahoo", hosts: "yahoodns.net yahoo.com aol.com verizon.net", signs: "[tss0|[tss1|postmaster.yahooinc.com|postmaster.yahoo.com|smtp/error-codes",
		help: "Their form for senders is at https://senders.yahooinc.com/contact.",
		rows: []row{
			{"", "requires all senders to authenticate|sender is unauthenticated", Authentication, "Yahoo wants SPF or DKIM to pass, and neither did.", ""},
			{"7.9", "dmarc", Authentication, "DMARC does not pass, and the policy of {domain} asks to refuse that.", ""},
			{"", "[bl2|spamhaus", Blocklist, "Yahoo refuses {ip} because Spamhaus lists it.", "Look up {ip} at https://check.spamhaus.org and follow what it says; Yahoo follows within an hour or two."},
			{"", "[tss09]|[tss11]|will be permanently deferred", Reputation, "Yahoo takes nothing from {ip} any more until someone there looks at it.", "Fill in the form at https://senders.yahooinc.com/contact with {ip} and {domain}; say what has changed."},
			{"", "[tss0|[tss1|user complaints|unexpected volume|temporarily deferred", Rate, "Yahoo slows {ip} down: more mail than it expects from it, or users called it junk.", ""},
			{"", "larger than the current system limit or the recipient's mailbox is full", Full, "The message is too large, or the mailbox of {to} is full.", ""},
			{"", "doesn't have a*account|mailbox not found|mailbox is disabled|user unknown", Recipient, "There is no mailbox {to}, or it is disabled.", ""},
			{"7.9", "", Policy, "Yahoo refuses the message by one of its rules: mostly DMARC or content.", "First see that DMARC passes: mox send. Then change links and attachments."},
			{"", "[ph01]|policy reasons|message not allowed", Content, "Yahoo takes the content for junk or fraud.", ""},
			{"", "resources unavailable|too many connections", Rate, "Yahoo has too many connections from here.", ""},
		},
	},
	{
		name: "iCloud", hosts: "icloud.com me.com apple.com", signs: "support.apple.com|[cs01]|[hm08]",
		help: "Their rules and address for senders are at https://support.apple.com/102322.",
		rows: []row{
			{"", "dmarc", Authentication, "DMARC does not pass, and the policy of {domain} asks to refuse that.", ""},
			{"", "spamhaus|proofpoint|due to listing", Blocklist, "iCloud refuses {ip} because a block list has it.", "Look up {ip} at https://check.spamhaus.org and https://ipcheck.proofpoint.com, and follow what they say."},
			{"", "[cs01]|[hm08]|local policy|blocked", Reputation, "iCloud refuses the message by a rule of its own: mostly the reputation of {ip} or {domain}, or the content.", "Have reverse DNS, SPF, DKIM and DMARC in order (mox doctor), then write to icloudadmin@apple.com with {ip}, {domain} and the answer."},
			{"", "over quota|mailbox is full", Full, "The mailbox of {to} is full.", ""},
			{"1.1", "", Recipient, "There is no address {to}.", ""},
		},
	},
	{
		name: "Proofpoint", hosts: "pphosted.com ppe-hosted.com gpphosted.com", signs: "ipcheck.proofpoint.com|proofpoint dynamic reputation",
		rows: []row{
			{"", "ipcheck.proofpoint.com|dynamic reputation|blocked", Blocklist, "Proofpoint, which filters for the recipient, refuses {ip}.", "Ask for removal at https://ipcheck.proofpoint.com/?ip={ipcommand}."},
			{"", "local policy", Policy, "The recipient's organization refuses the message by a rule of its own.", "Ask the recipient to have your domain or address allowed."},
			{"", "too many|rate", Rate, "Proofpoint asks {ip} to wait.", ""},
		},
	},
	{
		name: "Mimecast", hosts: "mimecast.com mimecast.co.za mimecast-offshore.com", signs: "mimecast",
		rows: []row{
			{"", "greylist|internal resources are temporarily unavailable", Greylisting, "Mimecast asks senders that it does not know to try again.", ""},
			{"", "security policies|signature based", Content, "Mimecast, which filters for the recipient, takes the content for junk or dangerous.", "Ask the recipient to have your address allowed; the code in the answer tells their administrator why."},
			{"", "blocked senders", Policy, "The recipient, or the administrator there, has blocked your address.", "Ask the recipient by other means."},
			{"", "invalid recipient", Recipient, "There is no address {to}.", ""},
			{"", "poor reputation", Reputation, "Mimecast does not like {ip}.", ""},
		},
	},
	{
		name: "T-Online", hosts: "t-online.de", signs: "t-online.de",
		rows: []row{
			{"", "a problem occurred|tosa@rx.t-online.de|not allowed to connect", Reputation, "T-Online takes mail only from servers that it knows, and does not know {ip} yet.", "Have a web page at the host name of this server, or at {domain}, that says who runs it and how to reach that person, and a reverse name that is no generic one. Then write to tosa@rx.t-online.de with {ip} and the answer: they reply within a day or two."},
			{"", "user unknown|unknown", Recipient, "There is no address {to}.", ""},
		},
	},
	{
		name: "GMX and WEB.DE", hosts: "gmx.net gmx.de web.de kundenserver.de mail.com", signs: "postmaster.gmx.net|postmaster.web.de|nemesis esmtp",
		help: "Their pages for senders are at https://postmaster.gmx.net/en.",
		rows: []row{
			{"", "bad dns ptr|ptr", Reverse, "{ip} has no reverse name, or a generic one.", ""},
			{"", "policy restrictions|reject due to policy", Reputation, "GMX and WEB.DE refuse the message by a rule of their own: mostly reputation or form.", "The code at the end of the link in the answer leads to the reason at https://postmaster.gmx.net/en/error-messages."},
			{"", "dmarc|spf|dkim", Authentication, "SPF, DKIM or DMARC did not pass.", ""},
			{"", "blacklist|block list|blocked", Blocklist, "A list that they use has {ip}.", ""},
			{"", "mailbox unavailable|unknown", Recipient, "There is no mailbox {to}.", ""},
		},
	},
	{
		name: "Cloudmark", signs: "cloudmark.com",
		rows: []row{{"", "", Blocklist, "Cloudmark, which filters for the recipient, refuses {ip}.", "Ask for removal at https://csi.cloudmark.com/reset-request/, with {ip}."}},
	},
	{
		name: "Barracuda", hosts: "barracudanetworks.com", signs: "barracudanetworks.com|barracudacentral.org|barracuda reputation",
		rows: []row{{"", "", Blocklist, "The list of Barracuda has {ip}.", "Ask for removal at https://www.barracudacentral.org/rbl/removal-request, with {ip}: usually done within a day."}},
	},
	{
		name: "Cisco Talos", hosts: "iphmx.com", signs: "poor reputation*senderbase|talosintelligence.com|sending mta's poor reputation",
		rows: []row{
			{"", "reputation|senderbase|talosintelligence", Reputation, "The recipient's Cisco filter does not like {ip}.", "Look up {ip} at https://talosintelligence.com/reputation_center and ask there for another judgment if it is wrong."},
		},
	},
	{
		name: "Trend Micro", signs: "ers.trendmicro.com|trend micro",
		rows: []row{{"", "", Blocklist, "The list of Trend Micro has {ip}.", "Ask for removal at https://servicecentral.trendmicro.com/en-us/ers/reputations/, with {ip}."}},
	},
	{
		name: "Comcast", hosts: "comcast.net", signs: "postmaster.comcast.net",
		rows: []row{
			{"", "bl0", Blocklist, "Comcast has {ip} in its list.", "Ask for removal at https://postmaster.comcast.net/block-removal-request.html, with {ip}."},
			{"", "rl0", Rate, "Comcast slows {ip} down.", ""},
			{"", "ptr", Reverse, "{ip} has no reverse name.", ""},
		},
	},
	{
		name: "Orange", hosts: "orange.fr wanadoo.fr", signs: "ofr_|ofr0",
		rows: []row{
			{"", "ofr_506|ofr506|spam", Content, "Orange takes the message for junk.", ""},
			{"", "ofr_1|ofr_2|too many|trop de", Rate, "Orange takes no more from {ip} at the moment.", ""},
			{"", "ofr_416|ofr_417|ofr_418|utilisateur inconnu|unknown", Recipient, "There is no mailbox {to}.", ""},
		},
	},
	{
		name: "Mail.ru", hosts: "mail.ru", signs: "help.mail.ru",
		rows: []row{
			{"", "spam message rejected", Content, "Mail.ru takes the message for junk.", "Register {domain} at https://postmaster.mail.ru to see why."},
			{"", "invalid mailbox|user not found|account is inaccessible", Recipient, "There is no mailbox {to}.", ""},
			{"", "ptr", Reverse, "{ip} has no reverse name.", ""},
		},
	},
	{
		name: "Yandex", hosts: "yandex.ru yandex.net", signs: "yandex.ru/support",
		rows: []row{
			{"", "suspicion of spam|spam", Content, "Yandex takes the message for junk.", "Register {domain} at https://postoffice.yandex.com to see why."},
			{"", "no such user", Recipient, "There is no mailbox {to}.", ""},
		},
	},
	{
		name: "NetEase", hosts: "netease.com 163.com 126.com", signs: "mail.163.com/help",
		rows: []row{
			{"", "mi:spf|mi:dmc", Authentication, "SPF or DMARC did not pass.", ""},
			{"", "dt:spm", Content, "NetEase takes the message for junk.", ""},
			{"", "rp:|ip:", Rate, "NetEase takes no more from {ip} at the moment.", ""},
		},
	},
	{
		name: "QQ", hosts: "qq.com exmail.qq.com", signs: "service.mail.qq.com",
		rows: []row{
			{"", "content denied|spam", Content, "QQ takes the message for junk.", ""},
			{"", "frequency limited", Rate, "QQ takes no more from {ip} at the moment.", ""},
			{"", "spf|dmarc", Authentication, "SPF or DMARC did not pass.", ""},
			{"", "mailbox not found|mailbox unavailable", Recipient, "There is no mailbox {to}.", ""},
		},
	},
}

// general are for servers of all kinds.
var general = []row{
	{"", "spamhaus*open resolver|spamhaus*public resolver", Theirs, "Their server asks Spamhaus in a way that is refused, and takes the refusal for a listing.", "Tell their postmaster by other means: nothing is wrong here."},
	{"", "dbl.spamhaus", Blocklist, "Spamhaus lists a domain in the message: {domain}, the host name, or that of a link.", "Look up the domain at https://check.spamhaus.org and follow what it says."},
	{"", "pbl.spamhaus|spamhaus.org/pbl|/query/pbl", Blocklist, "Spamhaus lists {ip} as one of homes, or of a range that the provider says sends no mail.", "With an address for servers, take it out yourself at https://check.spamhaus.org. Otherwise send through another server: Transports and Routes in mox.conf."},
	{"", "css.spamhaus|spamhaus*css|sbl.spamhaus|xbl.spamhaus|zen.spamhaus|spamhaus", Blocklist, "Spamhaus lists {ip}, which very many servers believe.", "Look up {ip} at https://check.spamhaus.org: it says why, and how to be removed once the reason is gone. Look for what was sent: mox queue list, mox trace {domain}."},
	{"", "spamcop", Blocklist, "SpamCop lists {ip}, as people reported mail from it.", "Nothing but to end what was reported: it goes by itself within a day. Look at https://www.spamcop.net/bl.shtml."},
	{"", "uceprotect", Blocklist, "UCEPROTECT lists {ip} or its whole network. Few servers believe it.", "Level 1 ends after seven days without incidents. Levels 2 and 3 are about the provider: nothing can be done. Do not pay."},
	{"", "psbl.|surriel", Blocklist, "PSBL lists {ip}.", "Take it out at https://psbl.org, with {ip}."},
	{"", "senderscore|validity.com|returnpath|return path", Reputation, "The Sender Score of {ip} is low.", "Look at https://senderscore.org with {ip}."},
	{"", "abusix", Blocklist, "Abusix lists {ip}.", "Look it up at https://lookup.abusix.com and ask for removal there."},
	{"", "invaluement", Blocklist, "Invaluement lists {ip} or {domain}.", "Ask for removal at https://www.invaluement.com/removal/."},
	{"", "sorbs", Blocklist, "Their server uses SORBS, a list that has ended.", "Tell their postmaster by other means: nothing is wrong here."},
	{"", "multi.surbl|multi.uribl|uribl", Blocklist, "A list of links has a domain that is in the message.", "Leave out the link, or ask the list for removal of the domain that the answer names."},
	{"", "blocked using*|listed at|listed in|listed on|is listed|block list|blocklist|blacklist|black list| rbl|dnsbl", Blocklist, "A block list has {ip} or {domain}.", ""},
	{"", "greylist|graylist|grey-list|grey list|postgrey|try again in*minute|please try again later*first|deferred*unknown triplet", Greylisting, "The server asks senders that it does not know to try again after some minutes.", ""},
	{"", "dmarc", Authentication, "DMARC does not pass, and the policy of {domain} asks to refuse that.", ""},
	{"7.23", "", Authentication, "The SPF record of {domain} does not have {ip}.", ""},
	{"", "spf|sender policy framework|openspf", Authentication, "SPF does not pass: the record of {domain} does not have {ip}.", ""},
	{"7.20 7.21 7.22", "", Authentication, "DKIM does not pass.", ""},
	{"", "dkim", Authentication, "DKIM does not pass.", ""},
	{"7.26", "", Authentication, "Neither SPF nor DKIM vouches for {domain}.", ""},
	{"", "unauthenticated", Authentication, "Neither SPF nor DKIM vouches for {domain}.", ""},
	{"7.25", "", Reverse, "{ip} has no reverse name that fits.", ""},
	{"", "reverse dns|reverse hostname|ptr record|no ptr|rdns|cannot find your hostname|reverse name|cannot resolve your address", Reverse, "{ip} has no reverse name, or one that does not lead back to it.", ""},
	{"", "helo command rejected|invalid helo|ehlo*rejected|helo*not found|bad helo", Reverse, "The server does not like the name that this one gives (EHLO).", "Hostname in mox.conf has to be a name with address records in DNS: mox config dnscheck {domain}."},
	{"", "dynamic ip|dynamic address|dial-up|dialup|residential", Blocklist, "{ip} is taken for an address of homes.", "Ask the provider for an address for servers with a reverse name of its own, or send through another server: Transports and Routes in mox.conf."},
	{"", "relay access denied|relaying denied|not permitted to relay|relay not permitted|unable to relay|authentication required|we do not relay", Relay, "The server does not take mail for the domain of {to}.", ""},
	{"", "domain not found|sender address rejected|sender verify failed|sender verification failed|invalid sender domain|unresolvable sender", Sender, "The server does not like the address of the sender: it asked for its domain or address, and found nothing.", ""},
	{"", "user unknown|unknown user|no such user|does not exist|unknown recipient|recipient not found|no mailbox here|invalid recipient|undeliverable address|recipient address rejected|address unknown|no such recipient|mailbox not found|invalid mailbox|unrouteable address", Recipient, "There is no address {to}.", ""},
	{"", "over quota|mailbox full|mailbox is full|quota exceeded|insufficient storage|exceeded storage|out of storage", Full, "The mailbox of {to} is full, or their disk.", ""},
	{"", "too large|size limit|exceeds size|message size|maximum size|exceeds*size", Size, "The message is larger than they take.", ""},
	{"", "too many connections|rate limit|too many messages|too many recipients|too fast|throttl|sending limit|exceeded*rate|try again later", Rate, "The server takes no more at the moment.", ""},
	{"", "virus|malware|infected", Content, "The server found a virus in the message, or thinks so.", "Look at attachments and the program that made them. If it is a mistake, send the file by other means."},
	{"", "attachment|file type|executable", Content, "The message has an attachment of a kind that they refuse.", "Send the file by other means, or a link to it."},
	{"", "spam|junk|unsolicited|content rejected|bulk", Content, "The server takes the message for junk.", ""},
	{"", "reputation", Reputation, "The server knows nothing good of {ip} or {domain}.", ""},
	{"", "bare lf|bare cr|line too long|lines too long|malformed|not rfc|5322|2822|duplicate header|missing*header|multiple from", Form, "The message, or its header, is not as it should be.", ""},
	{"", "mta-sts|dane|tlsa|starttls|certificate|tls", TLS, "There is no connection by TLS as it has to be.", ""},
	{"", "no such host|nxdomain|no mx|null mx|does not accept mail|name not resolved|dns", DNS, "The domain of {to} has no mail server, or its DNS does not answer.", ""},
	{"", "connection refused|timeout|timed out|no route|unreachable|connection reset|i/o timeout|no answer", Network, "No connection to their server.", ""},
}

// codes are for what no text says, by the detail of the enhanced code. RFC 3463 3, RFC 7372, RFC 7505.
var codes = []row{
	{"1.1 1.2 1.3 1.4 1.6", "", Recipient, "There is no address {to}.", ""},
	{"1.10", "", Recipient, "The domain of {to} says that it takes no mail at all.", ""},
	{"1.7 1.8 7.27", "", Sender, "The server does not like the address of the sender.", ""},
	{"2.1", "", Recipient, "The mailbox of {to} is disabled.", ""},
	{"2.2", "", Full, "The mailbox of {to} is full.", ""},
	{"2.3 3.4", "", Size, "The message is larger than they take.", ""},
	{"3.*", "", Theirs, "Their server has a problem of its own.", ""},
	{"4.1 4.2", "", Network, "No connection to their server.", ""},
	{"4.3 4.4 4.6", "", DNS, "Mail for the domain of {to} leads nowhere, or in circles.", ""},
	{"4.7", "", Network, "It could not be delivered for as long as it was tried.", ""},
	{"4.*", "", Network, "The connection to their server did not work.", ""},
	{"5.3", "", Rate, "There are too many recipients at a time.", ""},
	{"5.*", "", Theirs, "Their server did not understand ours, or broke off.", ""},
	{"6.*", "", Form, "Their server cannot take a message of that form.", ""},
	{"7.4 7.5 7.7 7.10 7.11", "", TLS, "There is no connection by TLS as it has to be.", ""},
	{"7.*", "", Policy, "The server refuses the message by one of its rules.", ""},
}

// byCode is for texts that say nothing.
func byCode(r Reply, text string) *row {
	if w := first(r, codes, text); w != nil {
		return w
	}
	switch {
	case r.Code == 0:
		return &row{kind: Network, meaning: "No connection to their server."}
	case r.Code == 421 || r.Code == 451 || r.Code == 454:
		return &row{kind: Theirs, meaning: "{who} cannot take the message now."}
	case r.Code == 452 || r.Code == 552:
		return &row{kind: Full, meaning: "The message is too large, or there is no room for it."}
	case r.Code == 450:
		return &row{kind: Greylisting, meaning: "{who} does not take it now: often new senders are asked to try again after some minutes."}
	case slices.Contains([]int{550, 551, 553}, r.Code) && strings.TrimSpace(text) == "":
		return &row{kind: Recipient, meaning: "{who} does not take mail for {to}."}
	}
	return &row{kind: Unknown, meaning: "{who} does not take the message, and its answer is not a known one."}
}
