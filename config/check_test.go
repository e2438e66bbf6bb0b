package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const minimalStatic = `DataDir: ../data
LogLevel: info
Hostname: mail.example.org
Listeners:
	local:
		IPs:
			- 127.0.0.1
		SMTP:
			Enabled: true
			NoSTARTTLS: true
Postmaster:
	Account: mjl
	Mailbox: Postmaster
`

const minimalDynamic = `Domains:
	example.org: nil
Accounts:
	mjl:
		Domain: example.org
		Destinations:
			mjl@example.org: nil
`

// errorTest replaces old by new in both files. A line of new that ends in "§" is one in
// which an error is expected.
type errorTest struct {
	old, new string
	want     []string // "path: message", for the lines marked, in order.
}

func e(old, new string, want ...string) errorTest { return errorTest{old, new, want} }

func runErrorTests(t *testing.T, static, dynamic string, tests []errorTest) {
	t.Helper()
	for _, tc := range tests {
		text := map[string]string{"mox.conf": static, "domains.conf": dynamic}
		if !strings.Contains(static+dynamic, tc.old) {
			t.Fatalf("%q is in neither file", tc.old)
		}
		var want []string
		for _, file := range []string{"mox.conf", "domains.conf"} {
			text[file] = strings.Replace(text[file], tc.old, tc.new, 1)
			for i, line := range strings.Split(text[file], "\n") {
				if strings.HasSuffix(line, "§") {
					msg := "?"
					if len(want) < len(tc.want) {
						msg = tc.want[len(want)]
					}
					want = append(want, fmt.Sprintf("%s:%d: %s", file, i+1, msg))
				}
			}
			text[file] = strings.ReplaceAll(text[file], "§", "")
		}
		path := makeDir(t, text["mox.conf"], text["domains.conf"])
		_, err := Load(path)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), "")
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("%q:\ngot\n%s\nwant\n%s\n", tc.new, got, strings.Join(want, "\n"))
		}
	}
}

func TestMinimal(t *testing.T) {
	s, err := Load(makeDir(t, minimalStatic, minimalDynamic))
	check(t, err)
	if len(s.Warnings) != 0 {
		t.Error(s.Warnings)
	}
}

func TestReadRoots(t *testing.T) {
	for static, want := range map[string]string{
		minimalStatic: "",
		minimalStatic + "TLS:\n\tCA:\n\t\tCertFiles:\n\t\t\t- ca.pem\n":   "",
		minimalStatic + "TLS:\n\tCA:\n\t\tCertFiles:\n\t\t\t- nope.pem\n": "TLS.CA.CertFiles[0]: reading file",
	} {
		s, err := LoadOptions(makeDir(t, static, minimalDynamic), Options{SkipFiles: true})
		check(t, err)
		roots, err := s.ReadRoots()
		if (roots != nil) != (want == "" && static != minimalStatic) || (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Error(roots, err)
		}
	}
}

func TestStaticErrors(t *testing.T) {
	host := "Hostname: mail.example.org\n"
	ips := "\t\tIPs:\n\t\t\t- 127.0.0.1\n"
	with := func(more string) string { return host + more }
	lis := func(more string) string { return ips + more }
	tr := func(more string) string { return host + "Transports:\n\tx:\n" + more }
	acme := func(more string) string {
		return host + "ACME:\n\tx:\n\t\tDirectoryURL: https://x.example/dir\n\t\tContactEmail: x@example.org\n" + more
	}
	runErrorTests(t, minimalStatic, minimalDynamic, []errorTest{
		e("DataDir: ../data", "DataDir:§", "DataDir: path is empty"),
		e("LogLevel: info", "LogLevel: inof§", `LogLevel: unknown value "inof", known are tracedata, traceauth, trace, debug, info, warn, error, fatal, print; did you mean "info"?`),
		e(host, with("PackageLogLevels:\n\tx: loud§\n"), `PackageLogLevels.x: unknown value "loud", known are tracedata, traceauth, trace, debug, info, warn, error, fatal, print`),
		e(host, "Hostname: xn--bcher-kva.example§\n", `Hostname: domain "xn--bcher-kva.example" must be written in Unicode: bücher.example`),
		e(host, "Hostname: mail..org§\n", `Hostname: bad domain "mail..org": empty label`),
		e(host, "Hostname: 192.0.2.1§\n", `Hostname: bad domain "192.0.2.1": looks like an IP address`),
		e(host, "Hostname:§\n", `Hostname: bad domain "": empty`),
		e(host, with("User: root§\n"), "User: must not be root, from which the server gets away after its start"),
		e(host, with("User: 0§\n"), "User: must not be root, from which the server gets away after its start"),
		e(host, with("Hostnames: x§\n"), `Hostnames: unknown field; did you mean "Hostname"?`),
		e(host, with("TLS:\n\tCA:§\n\t\tAdditionalToSystem: false\n"), "TLS.CA.CertFiles: no certificate files are given"),
		e(host, with("TLS:\n\tCA:\n\t\tCertFiles:\n\t\t\t- bad.pem§\n"), "TLS.CA.CertFiles[0]: no PEM certificate in file"),
		e(host, with("TLS:\n\tCA:\n\t\tAdditionalToSystem: true\n\t\tCertFiles:\n\t\t\t- ca.pem\n\t\t\t- nope.pem§\n"), "TLS.CA.CertFiles[1]: reading file: open nope.pem: no such file or directory"),
		e(host, with("CheckUpdates: true\nUpdates:\n\tDomain: a..b§\n\tURL: http://x/y§\n\tPublicKeys:\n\t\t- AAAA§\n"), `Updates.Domain: bad domain "a..b": empty label`, `Updates.URL: "http://x/y" does not begin with https:// and a host`, `Updates.PublicKeys[0]: "AAAA" is not a public key: those are 32 bytes in base64, as "mox updates pubkey" prints`),
		e(host, with("Updates:\n\tDomain: mox.example\n\tPublicKeys:\n\t\t-§\n"), `Updates.PublicKeys[0]: "" is not a public key: those are 32 bytes in base64, as "mox updates pubkey" prints`),
		e(host, with("ACME:\n\tx:\n\t\tDirectoryURL: ftp://x§\n\t\tContactEmail: x§\n\t\tRenewBefore: -1h§\n\t\tPort: 65536§\n\t\tIssuerDomainName: -§\n"),
			`ACME.x.DirectoryURL: bad URL "ftp://x": must start with https:// or http://`, `ACME.x.ContactEmail: bad address "x": missing domain at column 2`, "ACME.x.RenewBefore: must not be negative", "ACME.x.Port: bad port 65536, must be from 1 to 65535", `ACME.x.IssuerDomainName: bad domain "-": label with hyphen at its start or end`),
		e(host, acme("\t\tExternalAccountBinding:\n\t\t\tKeyID:§\n\t\t\tKeyFile: cert.pem§\n"), "ACME.x.ExternalAccountBinding.KeyID: is empty", "ACME.x.ExternalAccountBinding.KeyFile: file does not hold a key in base64url"),
		e(host, strings.Replace(acme("\t\tChallenges:\n\t\t\t- tls-alpn-01\n\t\t\t- dns-01§\n\t\t\t- tls-alpn-01§\n\t\t\t- http-1§\n"), "\tx:\n", "\ta/b:§\n", 1),
			`ACME.a/b: bad name "a/b": files are named after it`, "ACME.a/b.Challenges[1]: needs section DNS", "ACME.a/b.Challenges[2]: tls-alpn-01 is listed twice", `ACME.a/b.Challenges[3]: unknown value "http-1", known are tls-alpn-01, http-01, dns-01; did you mean "http-01"?`),
		e(host, acme("\t\tDNS:§\n\t\t\tWait: -1s§\n"), "ACME.x.DNS: exactly one of RFC2136 and Command is needed", "ACME.x.DNS.Wait: must not be negative"),
		e(host, acme("\t\tDNS:\n\t\t\tCommand:\n\t\t\t\t- acme-dns§\n"), `ACME.x.DNS.Command[0]: program "acme-dns" must be given with its whole path`),
		e(host, acme("\t\tDNS:\n\t\t\tRFC2136:\n\t\t\t\tServer: ns1§\n\t\t\t\tZone: -§\n\t\t\t\tKeyName:§\n\t\t\t\tKeyAlgorithm: hmac-md5§\n\t\t\t\tKeySecretFile: bad.pem§\n"),
			`ACME.x.DNS.RFC2136.Server: bad address "ns1": need host:port, such as 192.0.2.53:53`, `ACME.x.DNS.RFC2136.Zone: bad domain "-": label with hyphen at its start or end`, "ACME.x.DNS.RFC2136.KeyName: is empty", `ACME.x.DNS.RFC2136.KeyAlgorithm: unknown value "hmac-md5", known are hmac-sha256, hmac-sha224, hmac-sha384, hmac-sha512`, "ACME.x.DNS.RFC2136.KeySecretFile: file does not hold a key in base64"),
		e("\t\t\t- 127.0.0.1\n", "\t\t\t- 127.0.0§\n\t\t\t- ::1\n\t\t\t- 0::1§\n", `Listeners.local.IPs[0]: bad IP address "127.0.0"`, "Listeners.local.IPs[2]: address ::1 is listed twice"),
		e(ips, lis("\t\tNATIPs:\n\t\t\t- ::§\n\t\tIPsNATed: true§\n"), "Listeners.local.NATIPs[0]: address :: is not a public one", "Listeners.local.IPsNATed: cannot be together with NATIPs; remove IPsNATed"),
		e(ips, lis("\t\tProxyProtocol:\n\t\t\t- 10.0.0.1\n\t\t\t- 10.0.0.0/8\n\t\t\t- 10.0.0.1/8§\n\t\t\t- 0.0.0.0/0§\n\t\t\t- ::ffff:10.0.0.0/104§\n\t\t\t- x§\n"),
			"Listeners.local.ProxyProtocol[2]: network 10.0.0.1/8 must be written as 10.0.0.0/8", "Listeners.local.ProxyProtocol[3]: network 0.0.0.0/0 is everybody: list the addresses of proxies only",
			"Listeners.local.ProxyProtocol[4]: network ::ffff:10.0.0.0/104 must be written as 10.0.0.0/8", `Listeners.local.ProxyProtocol[5]: bad IP address "x"`),
		e("\t\t\t- 127.0.0.1\n", "\t\t\t- 127.0.0.1\n\t\t\t- 192.168.1.1\n\t\t\t- ::\n\t\tLMTP:§\n\t\t\tEnabled: true\n",
			"Listeners.local.LMTP: clients of LMTP are trusted: not on ::, only on loopback and private addresses"),
		e(ips, lis("\t\tNATIPs:\n\t\t\t- 192.0.2.2\n\t\tLMTP:§\n\t\t\tEnabled: true\n"), "Listeners.local.LMTP: clients of LMTP are trusted: not on a listener that is public through address translation"),
		e("\t\tSMTP:\n\t\t\tEnabled: true\n\t\t\tNoSTARTTLS: true\n", "\t\tLMTP:\n\t\t\tEnabled: true\n\t\t\tPort: 25§\n", "Listeners.local.LMTP.Port: LMTP must not be on port 25"),
		e(ips, lis("\t\tHostname: a b§\n\t\tSMTPMaxMessageSize: -1§\n"), `Listeners.local.Hostname: bad domain "a b": to ASCII: idna: disallowed rune U+0020`, "Listeners.local.SMTPMaxMessageSize: must not be negative"),
		e(ips, lis("\t\tTLS:§\n"), "Listeners.local.TLS: either ACME or KeyCerts is needed"),
		e(ips, lis("\t\tTLS:\n\t\t\tACME: x§\n"), `Listeners.local.TLS.ACME: unknown ACME provider "x"`),
		e(ips, lis("\t\tTLS:\n\t\t\tACME: x§\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: cert.pem§\n\t\t\t\t\tKeyFile: p384.pem\n\t\t\tMinVersion: 1.2§\n\t\t\tHostPrivateKeyFiles:\n\t\t\t\t- type.pem§\n\t\t\t\t- der.pem§\n\t\t\t\t- bad.pem§\n"),
			"Listeners.local.TLS.ACME: cannot be together with KeyCerts; remove one of them",
			"Listeners.local.TLS.KeyCerts[0].CertFile: loading certificate and key: tls: private key does not match public key",
			`Listeners.local.TLS.MinVersion: unknown value "1.2", known are TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3`,
			`Listeners.local.TLS.HostPrivateKeyFiles[0]: PEM data in file is "EC PRIVATE KEY", need a PKCS8 "PRIVATE KEY"`,
			"Listeners.local.TLS.HostPrivateKeyFiles[1]: parsing private key: asn1: syntax error: truncated tag or length",
			"Listeners.local.TLS.HostPrivateKeyFiles[2]: no PEM data in file"),
		e("\t\t\tNoSTARTTLS: true\n", "\t\t\tNoSTARTTLS: true\n\t\t\tRequireSTARTTLS: true§\n\t\t\tDNSBLs:\n\t\t\t\t- a.example\n\t\t\t\t- A.example§\n\t\t\tFirstTimeSenderDelay: -1s§\n\t\t\tPort: -1§\n",
			"Listeners.local.SMTP.RequireSTARTTLS: cannot be together with NoSTARTTLS", "Listeners.local.SMTP.DNSBLs[1]: domain a.example is listed twice", "Listeners.local.SMTP.FirstTimeSenderDelay: must not be negative", "Listeners.local.SMTP.Port: bad port -1, must be from 1 to 65535"),
		e("\t\tSMTP:\n\t\t\tEnabled: true\n\t\t\tNoSTARTTLS: true\n", "\t\tSMTP:§\n\t\t\tEnabled: true\n\t\tIMAPS:§\n\t\t\tEnabled: true\n\t\tMTASTSHTTPS:§\n\t\t\tEnabled: true\n\t\tIMAP:\n\t\t\tEnabled: false\n\t\tWebserverHTTPS:§\n\t\t\tEnabled: true\n",
			"Listeners.local.SMTP: needs section TLS on this listener", "Listeners.local.IMAPS: needs section TLS on this listener", "Listeners.local.MTASTSHTTPS: needs section TLS on this listener", "Listeners.local.WebserverHTTPS: needs section TLS on this listener"),
		e(ips, lis("\t\tIMAP:§\n\t\t\tEnabled: true\n\t\t\tPort: 25\n\t\t\tNoRequireSTARTTLS: true\n\t\tMetricsHTTP:\n\t\t\tEnabled: true\n\t\tPprofHTTP:§\n\t\t\tEnabled: true\n\t\t\tPort: 8010\n"),
			"Listeners.local.IMAP: address and port 127.0.0.1:25 are already used by Listeners.local.SMTP", "Listeners.local.PprofHTTP: address and port 127.0.0.1:8010 are already used by Listeners.local.MetricsHTTP"),
		e(ips, lis("\t\tAdminHTTP:\n\t\t\tEnabled: true\n\t\t\tPath: admin/§\n\t\tWebAPIHTTP:\n\t\t\tEnabled: true\n\t\t\tPath: /a//b/§\n"), `Listeners.local.AdminHTTP.Path: path "admin/" must start with a slash`, `Listeners.local.WebAPIHTTP.Path: path "/a//b/" must be written as /a/b/`),
		e(host, with("Relay:\n\tx:§\n\t\tFromDomains:§\n\t\tMessagesPerDay: -1§\n\ty:\n\t\tNetworks:\n\t\t\t- 0.0.0.0/0§\n\t\t\t- ::/0§\n\t\t\t- 10.0.0.0/8\n\t\t\t- 10.0.0.0/8§\n\t\t\t- 10.0.0.1/8§\n\t\tAccounts:\n\t\t\t- mlj§\n\t\tFromDomains:\n\t\t\t- x..y§\n"),
			"Relay.x: at least one of Networks and Accounts is needed", "Relay.x.FromDomains: at least one domain is needed", "Relay.x.MessagesPerDay: must not be negative",
			"Relay.y.Networks[0]: network 0.0.0.0/0 is too large: list the addresses of your own machines only", "Relay.y.Networks[1]: network ::/0 is too large: list the addresses of your own machines only",
			"Relay.y.Networks[3]: network 10.0.0.0/8 is listed twice", "Relay.y.Networks[4]: network 10.0.0.1/8 must be written as 10.0.0.0/8",
			`Relay.y.Accounts[0]: unknown account "mlj"; did you mean "mjl"?`, `Relay.y.FromDomains[0]: bad domain "x..y": empty label`),
		e("Account: mjl\n\tMailbox: Postmaster", "Account: mlj§\n\tMailbox: Postmaster", `Postmaster.Account: unknown account "mlj"; did you mean "mjl"?`),
		e("\tMailbox: Postmaster", "\tMailbox:§", `Postmaster.Mailbox: bad mailbox name "": empty`),
		e(host, with("HostTLSRPT:\n\tAccount: x§\n\tMailbox: a//b§\n\tLocalpart: a b§\n"), `HostTLSRPT.Account: unknown account "x"`, `HostTLSRPT.Mailbox: bad mailbox name "a//b": empty, . or .. as part`, `HostTLSRPT.Localpart: bad localpart "a b": unexpected text after localpart at column 2`),
		e(host, with("DefaultMailboxes:§\n\t- a\nInitialMailboxes:\n\tRegular:\n\t\t- b\n"), "DefaultMailboxes: cannot be together with InitialMailboxes; remove DefaultMailboxes"),
		e(host, with("InitialMailboxes:\n\tSpecialUse:\n\t\tSent: Inbox§\n\t\tArchive: A\n\t\tTrash: A§\n\tRegular:\n\t\t- b\n\t\t- b§\n\t\t- A§\n"),
			"InitialMailboxes.SpecialUse.Sent: must be another mailbox than Inbox", `InitialMailboxes.SpecialUse.Trash: mailbox "A" already is for Archive`, `InitialMailboxes.Regular[1]: mailbox "b" is listed twice`, `InitialMailboxes.Regular[2]: mailbox "A" is listed twice`),
		e(host, tr("\t\tDirect:\n\t\t\tDisableIPv4: true\n\t\tFail: nil§\n"), `Transports.x.Fail: unexpected value "nil", need fields on the following lines, one tab deeper`),
		e(host, "Hostname: mail.example.org\nTransports:\n\tx:§\n\t\tDirect:§\n\t\t\tDisableIPv4: true\n\t\t\tDisableIPv6: true\n\t\tFail:\n\t\t\tSMTPCode: 250§\n\t\t\tSMTPMessage: é§\n",
			"Transports.x: only one of Direct, Fail can be set", "Transports.x.Direct: DisableIPv4 and DisableIPv6 together leave no way to connect", "Transports.x.Fail.SMTPCode: bad code 250, must be from 400 to 599", "Transports.x.Fail.SMTPMessage: text must be printable ASCII"),
		e(host, "Hostname: mail.example.org\nTransports:\n\tx:\n\t\tRetry:\n\t\t\t- 1s§\n\t\t\t- 1h\n\t\tMaxConnections: -1§\n",
			"Transports.x.Retry[0]: bad time 1s, must be from 10s to 168h0m0s", "Transports.x.MaxConnections: bad number -1, must be from 1 to 1000, or 0 for the default"),
		e(host, tr("\t\tSubmissions:\n\t\t\tHost: 10.0.0.1§\n\t\t\tNoSTARTTLS: true§\n\t\t\tAuth:\n\t\t\t\tUsername:§\n\t\t\t\tPassword:§\n\t\t\t\tMechanisms:\n\t\t\t\t\t- NTLM§\n"),
			`Transports.x.Submissions.Host: bad domain "10.0.0.1": looks like an IP address`, "Transports.x.Submissions.NoSTARTTLS: has no meaning for Submissions, where TLS starts at once", "Transports.x.Submissions.Auth.Username: is empty", "Transports.x.Submissions.Auth.Password: is empty",
			`Transports.x.Submissions.Auth.Mechanisms[0]: unknown value "NTLM", known are SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN`),
		e(host, tr("\t\tSubmission:\n\t\t\tHost: a.example\n\t\t\tNoSTARTTLS: true\n\t\t\tAuth:\n\t\t\t\tClientCertificate:§\n\t\t\t\t\tCertFile: cert.pem§\n\t\t\t\t\tKeyFile: ed25519.pem\n"),
			"Transports.x.Submission.Auth.ClientCertificate: cannot be with NoSTARTTLS: a certificate is shown in TLS", "Transports.x.Submission.Auth.ClientCertificate.CertFile: loading certificate and key: tls: private key type does not match public key type"),
		e(host, tr("\t\tSubmission:\n\t\t\tHost: a.example\n\t\t\tAuth:§\n\t\t\t\tUsername: a\n\t\t\t\tPassword: b\n\t\t\t\tOAuth:\n\t\t\t\t\tTokenFile: a\n\t\t\t\t\tScope: b§\n\t\t\t\tMechanisms:\n\t\t\t\t\t- PLAIN§\n"),
			"Transports.x.Submission.Auth: only one of Password, ClientCertificate and OAuth can be set", "Transports.x.Submission.Auth.OAuth.Scope: has no meaning with TokenFile", `Transports.x.Submission.Auth.Mechanisms[0]: unknown value "PLAIN", known are OAUTHBEARER, XOAUTH2`),
		e(host, tr("\t\tSubmission:\n\t\t\tHost: a.example\n\t\t\tAuth:§\n\t\t\t\tOAuth:\n\t\t\t\t\tTokenURL: http://a.example/§\n\t\t\t\t\tClientID:§\n\t\t\t\t\tRefreshTokenFile: missing§\n"),
			"Transports.x.Submission.Auth.Username: is empty", `Transports.x.Submission.Auth.OAuth.TokenURL: bad URL "http://a.example/": must start with https://`, "Transports.x.Submission.Auth.OAuth.ClientID: is empty", "Transports.x.Submission.Auth.OAuth.RefreshTokenFile: reading file: open missing: no such file or directory"),
		e(host, tr("\t\tSubmission:\n\t\t\tHost: a.example\n\t\t\tAuth:\n\t\t\t\tUsername: a\n\t\t\t\tOAuth:§\n\t\t\t\t\tScope: x\n"), "Transports.x.Submission.Auth.OAuth: either TokenFile or TokenURL is needed"),
		e(host, tr("\t\tSocks:\n\t\t\tAddress: 127.0.0.1§\n\t\t\tRemoteIPs:§\n\t\t\tRemoteHostname: _x§\n"), `Transports.x.Socks.Address: bad address "127.0.0.1", must be host:port`, "Transports.x.Socks.RemoteIPs: at least one address is needed", `Transports.x.Socks.RemoteHostname: bad domain "_x": to ASCII: idna: disallowed rune U+005F`),
		e(host, with("DNSResolvers:\n\t- 127.0.0.1\n\t- [::1]:5353\n\t- localhost§\n\t- 127.0.0.1:53§\n\t- 0.0.0.0§\n"), `DNSResolvers[2]: bad address of DNS resolver "localhost", need an IP address, with or without port`, "DNSResolvers[3]: resolver 127.0.0.1:53 is listed twice", "DNSResolvers[4]: address 0.0.0.0 is not that of a host"),
		e(host, with("QuotaMessageSize: -1§\n"), "QuotaMessageSize: must not be negative; leave it out for no limit"),
		e(host, with("DocumentText:\n\t-\n\t\tTypes:\n\t\t\t- PDF§\n\t\tCommand:§\n\t\t\t- pdftotext\n"), `DocumentText[0].Types[0]: "PDF" is no media type in lower case, such as application/pdf`, "DocumentText[0].Command: must begin with the whole path of a program"),
	})
}

func TestDomainErrors(t *testing.T) {
	dom := func(more string) string { return "\texample.org:\n" + more }
	selector := func(more string) string { return dom("\t\tDKIM:\n\t\t\tSelectors:\n\t\t\t\ta:\n" + more) }
	runErrorTests(t, minimalStatic, minimalDynamic, []errorTest{
		e("\texample.org: nil\n", "\texample.org: nil\n\tExample.NET: nil§\n\txn--bcher-kva.example: nil§\n\ta_b: nil§\n",
			"Domains.Example.NET: domain \"Example.NET\" must be written as example.net", `Domains.xn--bcher-kva.example: domain "xn--bcher-kva.example" must be written in Unicode: bücher.example`, `Domains.a_b: bad domain "a_b": to ASCII: idna: disallowed rune U+005F`),
		e("\texample.org: nil\n", dom("\t\tClientSettingsDomain: .§\n\t\tLocalpartCatchallSeparator: +§\n\t\tLocalpartCatchallSeparators:\n\t\t\t- @§\n\t\t\t-§\n\t\t\t- +§\n\t\t\t- ü§\n"),
			`Domains.example.org.ClientSettingsDomain: bad domain ".": final dot`, "Domains.example.org.LocalpartCatchallSeparator: cannot be together with LocalpartCatchallSeparators; remove one of them", `Domains.example.org.LocalpartCatchallSeparators[0]: bad separator "@", must be characters that can be in a localpart without quotes`, "Domains.example.org.LocalpartCatchallSeparators[1]: separator is empty", `Domains.example.org.LocalpartCatchallSeparators[2]: separator "+" is listed twice`, `Domains.example.org.LocalpartCatchallSeparators[3]: bad separator "ü", must be characters that can be in a localpart without quotes`),
		e("\texample.org: nil\n", selector("\t\t\t\t\tHash: sha1§\n\t\t\t\t\tHeaders:§\n\t\t\t\t\t\t- To\n\t\t\t\t\t\t- X Y§\n\t\t\t\t\tExpiration: 3d§\n\t\t\t\t\tPrivateKeyFile: ed25519.pem\n\t\t\tSign:\n\t\t\t\t- a\n\t\t\t\t- a§\n\t\t\t\t- b§\n"),
			"Domains.example.org.DKIM.Selectors.a.Hash: must be sha256 for an ed25519 key", "Domains.example.org.DKIM.Selectors.a.Headers: From must be signed", `Domains.example.org.DKIM.Selectors.a.Headers[1]: bad name of a header field "X Y"`, `Domains.example.org.DKIM.Selectors.a.Expiration: bad duration "3d", an example is 72h`, `Domains.example.org.DKIM.Sign[1]: selector "a" is listed twice`, `Domains.example.org.DKIM.Sign[2]: unknown selector "b"`),
		e("\texample.org: nil\n", selector("\t\t\t\t\tHash: md5§\n\t\t\t\t\tPrivateKeyFile: ecdsa.pem§\n\t\t\t\tb c:§\n\t\t\t\t\tPrivateKeyFile:§\n\t\t\t\tc:\n\t\t\t\t\tPrivateKeyFile: none.pem§\n\t\t\t\td:\n\t\t\t\t\tPrivateKeyFile: bad.pem§\n"),
			`Domains.example.org.DKIM.Selectors.a.Hash: unknown value "md5", known are sha256, sha1`, "Domains.example.org.DKIM.Selectors.a.PrivateKeyFile: key of type *ecdsa.PrivateKey, need RSA or ed25519", "Domains.example.org.DKIM.Selectors.b c: bad selector: character ' '", "Domains.example.org.DKIM.Selectors.b c.PrivateKeyFile: path is empty", "Domains.example.org.DKIM.Selectors.c.PrivateKeyFile: reading file: open none.pem: no such file or directory", "Domains.example.org.DKIM.Selectors.d.PrivateKeyFile: no PEM data in file"),
		e("\texample.org: nil\n", dom("\t\tDMARC:\n\t\t\tLocalpart: é§\n\t\t\tDomain: other.example§\n\t\t\tAccount: nope§\n\t\t\tMailbox: #x§\n\t\tTLSRPT:\n\t\t\tLocalpart: MJL§\n\t\t\tAccount: mjl\n\t\t\tMailbox: x\n"),
			"Domains.example.org.DMARC.Localpart: must be ASCII", `Domains.example.org.DMARC.Domain: unknown domain "other.example"`, `Domains.example.org.DMARC.Account: unknown account "nope"`, `Domains.example.org.DMARC.Mailbox: bad mailbox name "#x": must not start with # or /`, `Domains.example.org.TLSRPT.Localpart: address MJL@example.org is also a destination of account "mjl"; remove it there, it is added by itself`),
		e("\texample.org: nil\n", dom("\t\tDMARC:\n\t\t\tLocalpart: r\n\t\t\tAccount: mjl\n\t\t\tMailbox: x\n\t\tTLSRPT:\n\t\t\tLocalpart: r§\n\t\t\tAccount: mjl\n\t\t\tMailbox: y\n"),
			`Domains.example.org.TLSRPT.Localpart: address r@example.org is also for other reports, which go to account "mjl", mailbox "x"`),
		e("\texample.org: nil\n", dom("\t\tMTASTS:§\n\t\t\tPolicyID:§\n\t\t\tMode: on§\n\t\t\tMaxAge: -1h§\n\t\t\tMX:\n\t\t\t\t- *§\n"),
			"Domains.example.org.MTASTS: no listener has MTASTSHTTPS enabled, so the policy could not be fetched", "Domains.example.org.MTASTS.PolicyID: is empty", `Domains.example.org.MTASTS.Mode: unknown value "on", known are none, testing, enforce`, "Domains.example.org.MTASTS.MaxAge: must not be negative", `Domains.example.org.MTASTS.MX[0]: bad domain "*": to ASCII: idna: disallowed rune U+002A`),
		e("\texample.org: nil\n", dom("\t\tRoutes:\n\t\t\t-\n\t\t\t\tFromDomain:\n\t\t\t\t\t- ..§\n\t\t\t\tMinimumAttempts: -1§\n\t\t\t\tTransport: x§\n"),
			`Domains.example.org.Routes[0].FromDomain[0]: bad domain ".": final dot`, "Domains.example.org.Routes[0].MinimumAttempts: must not be negative", `Domains.example.org.Routes[0].Transport: unknown transport "x"`),
		e("\texample.org: nil\n", dom("\t\tLocalpartCatchallSeparator: +\n\t\tAliases:\n\t\t\ta b:§\n\t\t\t\tAddresses:\n\t\t\t\t\t- mjl@example.org\n\t\t\tMjl:§\n\t\t\t\tAddresses:§\n\t\t\ta+b:§\n\t\t\t\tAddresses:\n\t\t\t\t\t- x§\n\t\t\t\t\t- y@example.net§\n\t\t\t\t\t- y@example.org§\n\t\t\t\t\t- mjl@example.org\n\t\t\t\t\t- MJL@example.org§\n\t\t\tC:\n\t\t\t\tAddresses:\n\t\t\t\t\t- mjl@example.org\n\t\t\tc:§\n\t\t\t\tAddresses:\n\t\t\t\t\t- C@example.org§\n"),
			`Domains.example.org.Aliases.a b: bad localpart "a b": unexpected text after localpart at column 2`, `Domains.example.org.Aliases.Mjl: alias is also a destination of account "mjl"`, "Domains.example.org.Aliases.Mjl.Addresses: an alias needs at least one address", "Domains.example.org.Aliases.a+b: alias has a separator of its domain",
			`Domains.example.org.Aliases.a+b.Addresses[0]: bad address "x": missing domain at column 2`, "Domains.example.org.Aliases.a+b.Addresses[1]: domain of y@example.net is not configured", "Domains.example.org.Aliases.a+b.Addresses[2]: y@example.org is not an address of an account", "Domains.example.org.Aliases.a+b.Addresses[4]: address MJL@example.org is listed twice",
			"Domains.example.org.Aliases.c: alias is the same as another of this domain, which differs only in case", "Domains.example.org.Aliases.c.Addresses[0]: C@example.org is not an address of an account"),
	})
}

func TestAccountErrors(t *testing.T) {
	acc := "\t\tDomain: example.org\n"
	with := func(more string) string { return acc + more }
	dest := "\t\t\tmjl@example.org: nil\n"
	rules := func(more string) string {
		return "\t\t\tmjl@example.org:\n\t\t\t\tRulesets:\n\t\t\t\t\t-§\n" + more
	}
	runErrorTests(t, minimalStatic, strings.Replace(minimalDynamic, "\texample.org: nil\n", "\texample.org:\n\t\tLocalpartCatchallSeparator: +\n\texample.net: nil\n", 1), []errorTest{
		e("Accounts:\n", "Accounts:\n\t.x:§\n\t\tDomain:\n\ta/b:§\n\t\tDomain: nope§\n\t-:§\n\t\tDomain:\n\tx :§\n\t\tDomain:\n\t"+strings.Repeat("x", 129)+":§\n\t\tDomain:\n",
			`Accounts..x: bad account name ".x": must not start with a dot`, `Accounts.a/b: bad account name "a/b": has a character that file names cannot have`, `Accounts.a/b.Domain: unknown domain "nope"`, `Accounts.-: bad account name "-": has a special meaning in the log of logins`, `Accounts.x : bad account name "x ": must not start or end with a space, nor end with a dot`, `Accounts.`+strings.Repeat("x", 129)+`: bad account name "`+strings.Repeat("x", 129)+`": too long`),
		e(acc, with("\t\tOutgoingWebhook:\n\t\t\tURL: /x§\n\t\t\tEvents:\n\t\t\t\t- delivered\n\t\t\t\t- delivered§\n\t\t\t\t- deliverd§\n\t\tIncomingWebhook:\n\t\t\tURL: https://§\n"),
			`Accounts.mjl.OutgoingWebhook.URL: bad URL "/x": must start with https:// or http://`, `Accounts.mjl.OutgoingWebhook.Events[1]: event "delivered" is listed twice`, `Accounts.mjl.OutgoingWebhook.Events[2]: unknown value "deliverd", known are delivered, suppressed, delayed, failed, relayed, expanded, canceled, unrecognized, complained; did you mean "delivered"?`, `Accounts.mjl.IncomingWebhook.URL: bad URL "https://": missing host`),
		e(acc, with("\t\tKeepRetiredMessagePeriod: -1s§\n\t\tKeepRetiredWebhookPeriod: -1s§\n\t\tLoginDisabled: é§\n\t\tSubjectPass:\n\t\t\tPeriod: -1h§\n\t\tMaxOutgoingMessagesPerDay: -1§\n\t\tMaxFirstTimeRecipientsPerDay: -1§\n\t\tIMAPCapabilitiesDisabled:\n\t\t\t- idle§\n"),
			"Accounts.mjl.KeepRetiredMessagePeriod: must not be negative", "Accounts.mjl.KeepRetiredWebhookPeriod: must not be negative", "Accounts.mjl.LoginDisabled: text must be printable ASCII", "Accounts.mjl.SubjectPass.Period: must not be negative", "Accounts.mjl.MaxOutgoingMessagesPerDay: must not be negative", "Accounts.mjl.MaxFirstTimeRecipientsPerDay: must not be negative", `Accounts.mjl.IMAPCapabilitiesDisabled[0]: bad capability "idle", must be in upper case`),
		e(acc, with("\t\tRejectsMailbox: INBOX§\n\t\tIntrobox: a/.§\n\t\tAutomaticJunkFlags:\n\t\t\tEnabled: true\n\t\t\tJunkMailboxRegexp: (§\n"),
			"Accounts.mjl.RejectsMailbox: must be another mailbox than Inbox", `Accounts.mjl.Introbox: bad mailbox name "a/.": empty, . or .. as part`, "Accounts.mjl.AutomaticJunkFlags.JunkMailboxRegexp: bad regular expression: missing closing ): `(`"),
		e(acc, with("\t\tRejectsMailbox: Queue§\n\t\tScheduledMailbox: inbox§\n"), "Accounts.mjl.RejectsMailbox: must be another mailbox than those for the queue", "Accounts.mjl.ScheduledMailbox: must be another mailbox than Inbox"),
		e(acc, with("\t\tRejectsMailbox: R\n\t\tIntrobox: R§\n\t\tJunkFilter:\n\t\t\tThreshold: 1.1§\n\t\t\tParams:\n\t\t\t\tMaxPower: 0.6§\n\t\t\t\tTopWords: -1§\n\t\t\t\tIgnoreWords: -0.1§\n\t\t\t\tRareWords: -1§\n"),
			"Accounts.mjl.Introbox: must be another mailbox than RejectsMailbox", "Accounts.mjl.JunkFilter.Threshold: must be from 0 to 1", "Accounts.mjl.JunkFilter.Params.MaxPower: must be from 0 to 0.5", "Accounts.mjl.JunkFilter.Params.TopWords: must not be negative", "Accounts.mjl.JunkFilter.Params.IgnoreWords: must be from 0 to 0.5", "Accounts.mjl.JunkFilter.Params.RareWords: must not be negative"),
		e(acc, with("\t\tFromIDLoginAddresses:\n\t\t\t- x§\n\t\t\t- x@nope.example§\n\t\t\t- x@example.org§\n\t\t\t- mjl@example.net§\n\t\t\t- mjl+x@example.org\n"),
			`Accounts.mjl.FromIDLoginAddresses[0]: bad address "x": missing domain at column 2`, "Accounts.mjl.FromIDLoginAddresses[1]: domain of x@nope.example is not configured", "Accounts.mjl.FromIDLoginAddresses[2]: x@example.org is not an address of this account", "Accounts.mjl.FromIDLoginAddresses[3]: mjl@example.net is not an address of this account"),
		e(dest, dest+"\t\t\ta+b@example.org: nil§\n\t\t\tx@exmple.org: nil§\n\t\t\t@: nil§\n\t\t\ta b@example.org: nil§\n\t\t\tx@xn--bcher-kva.example: nil§\n\t\t\t@example.net: nil\n",
			"Accounts.mjl.Destinations.a+b@example.org: localpart has a separator of domain example.org, so mail to it goes to the address without it", `Accounts.mjl.Destinations.x@exmple.org: domain exmple.org is not configured; did you mean "example.org"?`, `Accounts.mjl.Destinations.@: bad domain "": empty`, `Accounts.mjl.Destinations.a b@example.org: bad address "a b@example.org": missing domain at column 2`, `Accounts.mjl.Destinations.x@xn--bcher-kva.example: domain "xn--bcher-kva.example" must be written in Unicode: bücher.example`),
		e(dest, dest+"\tother:\n\t\tDomain:\n\t\tDestinations:\n\t\t\tMJL@example.org: nil§\n\t\t\tbare: nil§\n", `Accounts.other.Destinations.MJL@example.org: address is also a destination of account "mjl"`, "Accounts.other.Destinations.bare: address without domain, and the account has no default domain"),
		e(dest, "\t\t\tmjl@example.org:\n\t\t\t\tMailbox: a//§\n\t\t\t\tFullName: x\n\t\t\t\tMessageAuthRequiredSMTPError: ü§\n",
			`Accounts.mjl.Destinations.mjl@example.org.Mailbox: bad mailbox name "a//": empty, . or .. as part`, "Accounts.mjl.Destinations.mjl@example.org.MessageAuthRequiredSMTPError: text must be printable ASCII"),
		e(dest, "\t\t\tmjl@example.org:\n\t\t\t\tSMTPError: 551 x§\n", "Accounts.mjl.Destinations.mjl@example.org.SMTPError: must start with 421 or 550, followed by a space and a text, or by nothing"),
		e(dest, "\t\t\tmjl@example.org:\n\t\t\t\tSMTPError: 550\n\t\t\t\tForward:§\n\t\t\t\t\tAddresses:\n\t\t\t\t\t\t- x§\n\t\t\t\t\t\t- a@b.example\n\t\t\t\t\t\t- a@b.example§\n\t\t\t\t\t\t- mjl@example.org§\n",
			"Accounts.mjl.Destinations.mjl@example.org.Forward: cannot be together with SMTPError", `Accounts.mjl.Destinations.mjl@example.org.Forward.Addresses[0]: bad address "x": missing domain at column 2`,
			"Accounts.mjl.Destinations.mjl@example.org.Forward.Addresses[2]: address a@b.example is listed twice", "Accounts.mjl.Destinations.mjl@example.org.Forward.Addresses[3]: address mjl@example.org is that of the destination itself"),
		e(dest, "\t\t\tmjl@example.org:\n\t\t\t\tForward:\n\t\t\t\t\tAddresses:§\n", "Accounts.mjl.Destinations.mjl@example.org.Forward.Addresses: must have 1 to 20 addresses"),
		e(dest, "\t\t\tmjl@example.org:\n\t\t\t\tMailbox: a\n\t\t\t\tSMTPError: 550§\n", "Accounts.mjl.Destinations.mjl@example.org.SMTPError: cannot be together with Mailbox or Rulesets"),
		e(dest, rules("\t\t\t\t\t\tMailbox:§\n"), "Accounts.mjl.Destinations.mjl@example.org.Rulesets[0]: at least one of SMTPMailFromRegexp, MsgFromRegexp, VerifiedDomain and HeadersRegexp is needed", `Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].Mailbox: bad mailbox name "": empty`),
		e(dest, strings.Replace(rules("\t\t\t\t\t\tMsgFromRegexp: [§\n\t\t\t\t\t\tHeadersRegexp:\n\t\t\t\t\t\t\t(: x§\n\t\t\t\t\t\tIsForward: true§\n\t\t\t\t\t\tVerifiedDomain: *§\n\t\t\t\t\t\tAcceptRejectsToMailbox: Inbox§\n\t\t\t\t\t\tMailbox: x\n"), "-§", "-", 1),
			"Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].MsgFromRegexp: bad regular expression: missing closing ]: `[`", "Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].HeadersRegexp.(: bad regular expression: missing closing ): `(`", "Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].IsForward: needs SMTPMailFromRegexp and VerifiedDomain",
			`Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].VerifiedDomain: bad domain "*": to ASCII: idna: disallowed rune U+002A`, "Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].AcceptRejectsToMailbox: must be another mailbox than Inbox"),
		e(dest, strings.Replace(rules("\t\t\t\t\t\tSMTPMailFromRegexp: x\n\t\t\t\t\t\tVerifiedDomain: x.example\n\t\t\t\t\t\tIsForward: true§\n\t\t\t\t\t\tListAllowDomain: x.example\n\t\t\t\t\t\tMailbox: x\n"), "-§", "-", 1), "Accounts.mjl.Destinations.mjl@example.org.Rulesets[0].IsForward: cannot be together with ListAllowDomain"),
	})
}

func TestWebErrors(t *testing.T) {
	web := "\t\tWebserverHTTP:\n\t\t\tEnabled: true\n"
	handler := func(more string) string {
		return "WebHandlers:\n\t-\n\t\tDomain: x.example\n\t\tPathRegexp: ^/\n" + more + "Domains:\n"
	}
	runErrorTests(t, strings.Replace(minimalStatic, "\t\tSMTP:\n", web+"\t\tSMTP:\n", 1), minimalDynamic, []errorTest{
		e("Domains:\n", "WebDomainRedirects:\n\ta.example: a.example§\n\tA.example: b.example§\n\tc.example: ?§\nDomains:\n", "WebDomainRedirects.a.example: redirects to itself", `WebDomainRedirects.A.example: domain "A.example" must be written as a.example`, `WebDomainRedirects.c.example: bad domain "?": to ASCII: idna: disallowed rune U+003F`),
		e("Domains:\n", "WebHandlers:\n\t-§\n\t\tDomain: .x§\n\t\tPathRegexp: /x§\nDomains:\n", "WebHandlers[0]: exactly one of WebStatic, WebRedirect, WebForward and WebInternal is needed", `WebHandlers[0].Domain: bad domain ".x": empty label`, "WebHandlers[0].PathRegexp: must start with ^"),
		e("Domains:\n", handler("\t\tWebStatic:\n\t\t\tRoot:§\n\t\t\tStripPrefix: x§\n\t\t\tResponseHeaders:\n\t\t\t\tX Y: x§\n"), "WebHandlers[0].WebStatic.Root: is empty", "WebHandlers[0].WebStatic.StripPrefix: must start with a slash", `WebHandlers[0].WebStatic.ResponseHeaders.X Y: bad name of a header field "X Y"`),
		e("Domains:\n", handler("\t\tWebRedirect:§\n"), "WebHandlers[0].WebRedirect: BaseURL, or OrigPathRegexp and ReplacePath, is needed: the request would be redirected to itself"),
		e("Domains:\n", handler("\t\tWebRedirect:§\n\t\t\tBaseURL: https://x/§\n\t\t\tReplacePath: x\n\t\t\tStatusCode: 200§\n"), "WebHandlers[0].WebRedirect: OrigPathRegexp and ReplacePath are needed both or neither", "WebHandlers[0].WebRedirect.BaseURL: must have no path, not even a slash", "WebHandlers[0].WebRedirect.StatusCode: bad status 200, must be from 300 to 399"),
		e("Domains:\n", handler("\t\tWebForward:\n\t\t\tURL: http://x?y§\n"), "WebHandlers[0].WebForward.URL: must have no query and no fragment"),
		e("Domains:\n", handler("\t\tWebInternal:\n\t\t\tBasePath: /x§\n\t\t\tService: imap§\n"), "WebHandlers[0].WebInternal.BasePath: must start and end with a slash", `WebHandlers[0].WebInternal.Service: unknown value "imap", known are admin, account, webmail, webapi`),
		e("Domains:\n", "Routes:\n\t-\n\t\tTransport: x§\nMonitorDNSBLs:\n\t- -§\nDomains:\n", `Routes[0].Transport: unknown transport "x"`, `MonitorDNSBLs[0]: bad domain "-": label with hyphen at its start or end`),
	})
	runErrorTests(t, minimalStatic, minimalDynamic, []errorTest{
		e("Domains:\n", "WebDomainRedirects:§\n\ta.example: b.example\nWebHandlers:§\n\t-\n\t\tDomain: x.example\n\t\tPathRegexp: ^/\n\t\tWebInternal:\n\t\t\tBasePath: /x/\n\t\t\tService: webmail\nDomains:\n",
			"WebDomainRedirects: no listener has WebserverHTTP or WebserverHTTPS enabled", "WebHandlers: no listener has WebserverHTTP or WebserverHTTPS enabled"),
	})
}

func TestLoadErrors(t *testing.T) {
	path := makeDir(t, minimalStatic, minimalDynamic)
	if _, err := Load(path + "x"); !os.IsNotExist(unwrapPath(err)) {
		t.Error(err)
	}
	check(t, os.Remove(filepath.Join(filepath.Dir(path), DynamicName)))
	if _, err := Load(path); !os.IsNotExist(unwrapPath(err)) {
		t.Error(err)
	}
	st, info, err := CheckStatic(path, Options{})
	check(t, err)
	equal(t, "static", st.Hostname+info.Hostname.ASCII, "mail.example.orgmail.example.org")

	// Errors of both files are reported at once.
	path = makeDir(t, strings.Replace(minimalStatic, "info", "x", 1), strings.Replace(minimalDynamic, "mjl@example.org", "@", 1))
	if _, err := Load(path); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
	if _, _, err := CheckStatic(path, Options{}); err == nil {
		t.Error("no error")
	}
}

// TestEnviron sets fields of mox.conf by the environment, over those of the file.
func TestEnviron(t *testing.T) {
	path := makeDir(t, minimalStatic, minimalDynamic)
	load := func(env ...string) (*Snapshot, error) {
		return LoadOptions(path, Options{Environ: func() []string { return append(env, "PATH=/bin", "MOX_CONFX=1") }})
	}
	s, err := load("MOX_CONF_LogLevel=trace", "MOX_CONF_Listeners__local__Hostname=mx.example.org", "MOX_CONF_Listeners__local__IPs=127.0.0.2,127.0.0.3")
	check(t, err)
	l := s.Listeners["local"]
	equal(t, "set", fmt.Sprint(s.Static.LogLevel, " ", l.Hostname.ASCII, " ", l.IPs), "trace mx.example.org [127.0.0.2 127.0.0.3]")
	_, err = load("MOX_CONF_LogLevel=loud", "MOX_CONF_Listeners__local__IPs=127.0.0.1,x")
	equal(t, "error", strings.Count(fmt.Sprint(err), "environment variable MOX_CONF_"), 2)
	_, err = load("MOX_CONF_Loglevel=info", "MOX_CONF_Listeners__public__IPs=::")
	equal(t, "error", fmt.Sprint(err), "environment variable MOX_CONF_Listeners__public__IPs: Listeners.public.IPs: the file has no \"public\"\n"+
		"environment variable MOX_CONF_Loglevel: Loglevel: unknown field \"Loglevel\"; did you mean \"LogLevel\"?")
}

func unwrapPath(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if _, isPath := err.(*os.PathError); isPath || !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestOptions(t *testing.T) {
	static := strings.Replace(minimalStatic, "\t\tIPs:\n", "\t\tTLS:\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: /secret/c.pem\n\t\t\t\t\tKeyFile: k.pem\n\t\tIPs:\n", 1)
	path := makeDir(t, static, minimalDynamic)
	s, err := LoadOptions(path, Options{SkipFiles: true})
	check(t, err)
	equal(t, "certificates", len(s.Listeners["local"].Certificates), 0)
	read := func(p string) ([]byte, error) {
		switch p {
		case "/secret/c.pem":
			return testKeys()["cert.pem"], nil
		case filepath.Join(filepath.Dir(path), "k.pem"):
			return testKeys()["certkey.pem"], nil
		}
		return nil, os.ErrNotExist
	}
	s, err = LoadOptions(path, Options{ReadFile: read, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
	check(t, err)
	equal(t, "certificates", len(s.Listeners["local"].Certificates), 1)
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0].Error(), "certificate expired at") {
		t.Error(s.Warnings)
	}
}

// TestWarnings has what is allowed but said to be doubtful.
func TestWarnings(t *testing.T) {
	static := strings.NewReplacer("\t\tSMTP:\n", "\t\tMTASTSHTTPS:\n\t\t\tEnabled: true\n\t\t\tNonTLS: true\n\t\tAdminHTTP:\n\t\t\tEnabled: true\n\t\t\tPath: /admin\n\t\tIMAPS:\n\t\t\tEnabled: false\n\t\t\tEnabledOnHTTPS: true\n\t\tSMTP:\n").Replace(minimalStatic)
	dynamic := strings.Replace(minimalDynamic, "\texample.org: nil\n", "\texample.org:\n\t\tMTASTS:\n\t\t\tPolicyID: a-b\n\t\t\tMode: none\n\t\t\tMaxAge: 9000h\n\t\tDKIM:\n\t\t\tSelectors:\n\t\t\t\ta:\n\t\t\t\t\tHash: sha1\n\t\t\t\t\tPrivateKeyFile: rsa.pem\n", 1)
	dynamic += "\t\tJunkFilter:\n\t\t\tThreshold: 0.95\n\t\t\tParams:\n\t\t\t\tMaxPower: 0.1\n\t\t\t\tTopWords: 10\n"
	s, err := Load(makeDir(t, static, dynamic))
	check(t, err)
	equal(t, "path", s.Listeners["local"].AdminHTTP.Path, "/admin/")
	var got []string
	for _, w := range s.Warnings {
		got = append(got, fmt.Sprintf("%d %s: %s", w.Line, w.Path, w.Msg))
	}
	want := []string{
		`13 Listeners.local.AdminHTTP.Path: path "/admin" should end with a slash, taking it as /admin/`,
		"16 Listeners.local.IMAPS.EnabledOnHTTPS: has no effect without Enabled",
		"10 Domains.example.org.DKIM.Selectors.a.Hash: sha1 is not accepted by others (RFC 8301): signatures are made with sha256",
		`4 Domains.example.org.MTASTS.PolicyID: bad id "a-b", others expect at most 32 letters and digits`,
		"6 Domains.example.org.MTASTS.MaxAge: is more than the most that others accept, 8766h",
		"19 Accounts.mjl.JunkFilter.Params: none of Onegrams, Twograms and Threegrams is set, so the filter has nothing to look at",
	}
	equal(t, "warnings", strings.Join(got, "\n"), strings.Join(want, "\n"))
}

// TestPublicAdmin: FEATURES A-94, operators are warned of pages that everybody reaches.
func TestPublicAdmin(t *testing.T) {
	for ip, warned := range map[string]bool{
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "192.168.0.1": false, "100.64.3.4": false, "fd00::1": false, "fe80::1": false,
		"0.0.0.0": true, "::": true, "192.0.2.1": true, "2001:db8::1": true,
	} {
		static := strings.Replace(minimalStatic, "\t\tIPs:\n\t\t\t- 127.0.0.1\n", "\t\tAdminHTTP:\n\t\t\tEnabled: true\n\t\tIPs:\n\t\t\t- "+ip+"\n", 1)
		s, err := Load(makeDir(t, static, minimalDynamic))
		check(t, err)
		if got := len(s.Warnings) == 1 && strings.Contains(s.Warnings[0].Msg, "reached from everywhere"); got != warned {
			t.Errorf("%s: %v", ip, s.Warnings)
		}
	}
}

// TestPolicyHost: a policy that others cannot fetch, and a port that is not there, are said
// to be doubtful.
func TestPolicyHost(t *testing.T) {
	static := strings.Replace(minimalStatic, "\t\tIPs:\n", "\t\tTLS:\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: cert.pem\n\t\t\t\t\tKeyFile: certkey.pem\n\t\tMTASTSHTTPS:\n\t\t\tEnabled: true\n\t\tIPs:\n", 1)
	dynamic := strings.Replace(minimalDynamic, "\texample.org: nil\n", "\texample.org:\n\t\tMTASTS:\n\t\t\tPolicyID: 1\n\t\t\tMode: enforce\n\t\t\tMaxAge: 9000h\n", 1)
	warnings := func(static, dynamic string) string {
		s, err := Load(makeDir(t, static, dynamic))
		check(t, err)
		var b strings.Builder
		for _, w := range s.Warnings {
			fmt.Fprintf(&b, "%s: %s\n", w.Path, w.Msg)
		}
		return b.String()
	}
	equal(t, "certificate", warnings(static, strings.Replace(dynamic, "9000h", "24h", 1)),
		"Domains.example.org.MTASTS: no listener with MTASTSHTTPS has a certificate for mta-sts.example.org, so the policy cannot be fetched\n")
	proxied := strings.Replace(static, "\t\tMTASTSHTTPS:\n\t\t\tEnabled: true\n", "\t\tMTASTSHTTPS:\n\t\t\tEnabled: true\n\t\t\tNonTLS: true\n\t\tIMAPS:\n\t\t\tEnabled: true\n\t\t\tEnabledOnHTTPS: true\n", 1)
	equal(t, "https", warnings(proxied, strings.Replace(dynamic, "9000h", "24h", 1)),
		"Listeners.local.IMAPS.EnabledOnHTTPS: has no effect, there is no HTTPS service on this listener\n")

	s, err := Load(makeDir(t, static, dynamic))
	check(t, err)
	// RFC 8461 3.2: the most that max_age may be, and the default of mx.
	equal(t, "policy", s.MTASTSPolicy("mta-sts.example.org").String(), "version: STSv1\r\nmode: enforce\r\nmx: "+s.Hostname.ASCII+"\r\nmax_age: 31557600\r\n")
	for _, host := range []string{"", "example.org", "mta-sts.", "mta-sts.mta-sts.example.org", "mta-sts.x.example", "mta-sts.a..b", "mta-sts.127.0.0.1", "MTA-STS.example.org"} {
		if p := s.MTASTSPolicy(host); p != nil {
			t.Errorf("%q: %v", host, p)
		}
	}
	s, err = Load(makeDir(t, static, strings.Replace(dynamic, "\t\tMTASTS:\n", "\t\tDisabled: true\n\t\tMTASTS:\n", 1)))
	check(t, err)
	equal(t, "disabled", s.MTASTSPolicy("mta-sts.example.org") == nil, true)
}
