package quickstart

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
	"mox/ownership"
	"mox/rdap"
	"mox/smtp"
)

var testNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func addrs(l ...string) []netip.Addr {
	var ips []netip.Addr
	for _, s := range l {
		ips = append(ips, netip.MustParseAddr(s))
	}
	return ips
}

// greeter dials a mail server that greets with text and then ends.
func greeter(text string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			io.WriteString(theirs, text)
			io.Copy(io.Discard, theirs)
			theirs.Close()
		}()
		return ours, nil
	}
}

// goodOptions are those of a machine with which all is well.
func goodOptions(t *testing.T) (Options, *dns.MockResolver) {
	r := &dns.MockResolver{
		NS:           map[string][]string{"com": {"a.gtld-servers.net"}},
		A:            map[string][]string{"mail.example.org": {"192.0.2.1"}},
		AAAA:         map[string][]string{"mail.example.org": {"2001:db8::1"}},
		PTR:          map[string][]string{"192.0.2.1": {"mail.example.org"}, "2001:db8::1": {"mail.example.org"}},
		MX:           map[string][]dns.MX{"gmail.com": {{Preference: 5, Host: "mx.gmail.example"}}},
		AllAuthentic: true,
	}
	o := Options{
		Address: "you@example.org", Dir: t.TempDir(), Resolver: r, Now: func() time.Time { return testNow },
		Machine: Machine{
			Hostname: func() (string, error) { return "mail.example.org", nil },
			Interfaces: func() ([]Interface, error) {
				return []Interface{{"lo", addrs("127.0.0.1", "::1")}, {"eth0", addrs("192.0.2.1", "2001:db8::1", "fe80::1")}}, nil
			},
			Listening:    func() ([]Socket, error) { return nil, nil },
			Dial:         greeter("220 mx.gmail.example ESMTP\r\n"),
			Synchronised: func() (bool, bool) { return true, true },
			DomainAge: func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return testNow.AddDate(-3, 0, 0), testNow.Add(2 * time.Second), nil
			},
			Memory:    func() (uint64, bool) { return 2 << 30, true },
			Disk:      func(string) (uint64, bool) { return 20 << 30, true },
			OpenFiles: func() (uint64, bool) { return 1 << 20, true },
			HasUser:   func(string) bool { return true },
			UserID:    func(string) (ownership.User, error) { return ownership.User{}, ownership.ErrNone },
			IsRoot:    func() bool { return true },
			OS:        "linux",
			Program:   "/usr/local/bin/mox",
		},
	}
	return o, r
}

func interfacesOf(l ...Interface) func() ([]Interface, error) {
	return func() ([]Interface, error) { return l, nil }
}

// TestFaults: FEATURES A-4. With one thing wrong, that is what is found, with a remedy, and
// nothing else.
func TestFaults(t *testing.T) {
	lo := Interface{"lo", addrs("127.0.0.1", "::1")}
	none := errors.New("no route to host")
	for _, tc := range []struct {
		name         string
		fault        func(o *Options, r *dns.MockResolver)
		check        string
		level        Level
		text, remedy string
		also         string // other checks that have to say something about it
	}{
		{"nothing", func(*Options, *dns.MockResolver) {}, "", OK, "", "", ""},
		{"resolver does not validate", func(_ *Options, r *dns.MockResolver) { r.AllAuthentic = false }, "resolver", Warning, "does not say that it verifies DNSSEC", "unbound", "host-dns"},
		{"host is not signed", func(_ *Options, r *dns.MockResolver) { r.Inauthentic = []string{"a mail.example.org"} }, "host-dns", Warning, "not signed by DNSSEC", "registrar", ""},
		{"host name without domain", func(o *Options, r *dns.MockResolver) {
			o.Machine.Hostname = func() (string, error) { return "mail", nil }
			r.PTR = map[string][]string{"192.0.2.1": {"192-0-2-1.provider.local"}, "2001:db8::1": {"192-0-2-1.provider.local"}}
		}, "hostname", Warning, "made up", "-hostname", "reverse-dns"},
		{"host name for the inside", func(o *Options, r *dns.MockResolver) {
			o.Hostname = "mail.local"
			r.A["mail.local"], r.AAAA["mail.local"] = []string{"192.0.2.1"}, []string{"2001:db8::1"}
			r.PTR["192.0.2.1"], r.PTR["2001:db8::1"] = []string{"mail.local"}, []string{"mail.local"}
		}, "hostname", Problem, "not a full name", "mail.example.org", ""},
		{"loopback", func(_ *Options, r *dns.MockResolver) {
			r.A["mail.example.org"] = []string{"127.0.1.1"}
			delete(r.AAAA, "mail.example.org")
		}, "host-dns", Problem, "loopback address", "/etc/hosts", ""},
		{"translation", func(o *Options, r *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("10.1.2.3")}, Interface{"docker0", addrs("172.17.0.1")})
			delete(r.AAAA, "mail.example.org")
		}, "addresses", Note, "it has 10.1.2.3 and is reached by 192.0.2.1", "forward ports", "ipv6"},
		{"private only", func(o *Options, r *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("10.1.2.3")})
			delete(r.AAAA, "mail.example.org")
			delete(r.A, "mail.example.org")
			r.PTR["10.1.2.3"] = []string{"mail.example.org"}
		}, "addresses", Problem, "only private addresses, 10.1.2.3", "A and AAAA", "host-dns ipv6 blocklists"},
		{"elsewhere", func(_ *Options, r *dns.MockResolver) { r.A["mail.example.org"] = []string{"198.51.100.7"} }, "addresses", Problem, "198.51.100.7, of mail.example.org, is not of this machine", "Correct the records", ""},
		{"no records", func(_ *Options, r *dns.MockResolver) {
			delete(r.AAAA, "mail.example.org")
			delete(r.A, "mail.example.org")
		}, "host-dns", Problem, "no address in DNS yet", "A 192.0.2.1 and AAAA 2001:db8::1", ""},
		{"lookup fails", func(_ *Options, r *dns.MockResolver) {
			r.Fail = map[string]error{"a mail.example.org": nil, "aaaa mail.example.org": nil}
		}, "host-dns", Problem, "server failure", "name servers", ""},
		{"no reverse name", func(_ *Options, r *dns.MockResolver) { delete(r.PTR, "192.0.2.1") }, "reverse-dns", Problem, "192.0.2.1 has no name", "(PTR) of 192.0.2.1 to mail.example.org", ""},
		{"other reverse name", func(_ *Options, r *dns.MockResolver) { r.PTR["2001:db8::1"] = []string{"static.provider.example"} }, "reverse-dns", Problem, "2001:db8::1 is called static.provider.example", "(PTR)", ""},
		{"no IPv6", func(o *Options, r *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(Interface{"lo", addrs("127.0.0.1")}, Interface{"eth0", addrs("192.0.2.1")})
			delete(r.AAAA, "mail.example.org")
		}, "ipv6", Note, "no public IPv6", "Nothing has to be done", ""},
		{"IPv6 not in DNS", func(_ *Options, r *dns.MockResolver) { delete(r.AAAA, "mail.example.org") }, "addresses", Note, "2001:db8::1 is on this machine but not in DNS", "add records", "ipv6"},
		{"another mail server", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Listening = func() ([]Socket, error) {
				return []Socket{{netip.MustParseAddrPort("0.0.0.0:25"), 812, "exim4", "exim4.service"}, {netip.MustParseAddrPort("[::]:25"), 812, "exim4", "exim4.service"}, {netip.MustParseAddrPort("127.0.0.1:53"), 1, "unbound", ""}}, nil
			}
		}, "ports", Problem, "exim4 (process 812) already has port 25", "systemctl disable --now exim4.service", ""},
		{"a web server", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Listening = func() ([]Socket, error) {
				return []Socket{{netip.MustParseAddrPort("192.0.2.1:443"), 9, "nginx", ""}, {netip.MustParseAddrPort("[::]:80"), 9, "nginx", ""}}, nil
			}
		}, "ports", Problem, "nginx (process 9) already has ports 80 and 443", "-existing-webserver", ""},
		{"port 25 is blocked", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, none }
		}, "port25", Problem, "No connection to port 25 of mx.gmail.example: no route to host", "Ask the provider", ""},
		{"port 25 is redirected", func(o *Options, _ *dns.MockResolver) { o.Machine.Dial = greeter("554 policy\r\n") }, "port25", Problem, "Something else answers", "Ask the provider", ""},
		{"on a block list", func(_ *Options, r *dns.MockResolver) {
			r.A["1.2.0.192.bl.spamcop.net"] = []string{"127.0.0.2"}
			r.TXT = map[string][]string{"1.2.0.192.bl.spamcop.net": {"Blocked - see https://spamcop.example/"}}
		}, "blocklists", Problem, `192.0.2.1 is on the block list bl.spamcop.net, so that much of your mail would be refused or be junk. It says: "Blocked`, "removal", ""},
		{"block list refuses", func(_ *Options, r *dns.MockResolver) {
			r.A["1.2.0.192.sbl.spamhaus.org"] = []string{"127.255.255.254"}
		}, "blocklists", Note, "public resolver", "resolver of your own", ""},
		{"new domain", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return testNow.AddDate(0, 0, -10), testNow, nil
			}
		}, "domain-age", Warning, "registered on 21 April 2026, less than six weeks ago", "patient", ""},
		{"age unknown", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) { return time.Time{}, testNow, none }
		}, "domain-age", Note, "could not be asked", "", ""},
		{"not registered", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return time.Time{}, testNow, rdap.ErrNotFound
			}
		}, "domain-age", Problem, "does not know example.org", "Register it", ""},
		{"age not told", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return time.Time{}, testNow, rdap.ErrNoDate
			}
		}, "domain-age", Note, "does not tell", "", ""},
		{"certificate from the future", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return time.Time{}, time.Time{}, &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
			}
		}, "clock", Problem, "certificate of a well-known server is not valid", "timesyncd", "domain-age"},
		{"mail elsewhere", func(_ *Options, r *dns.MockResolver) {
			r.MX["example.org"] = []dns.MX{{Preference: 10, Host: "mx.old.example"}}
		}, "domain", Note, "goes to mx.old.example now", "last", ""},
		{"clock off", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return testNow.AddDate(-3, 0, 0), testNow.Add(7 * time.Minute), nil
			}
		}, "clock", Problem, "7m0s away", "timesyncd", ""},
		{"clock not kept", func(o *Options, _ *dns.MockResolver) {
			o.Machine.DomainAge = func(context.Context, dns.Domain) (time.Time, time.Time, error) {
				return testNow.AddDate(-3, 0, 0), time.Time{}, nil
			}
			o.Machine.Synchronised = func() (bool, bool) { return false, true }
		}, "clock", Warning, "Nothing keeps the clock right", "timesyncd", ""},
		{"clock of long ago", func(o *Options, _ *dns.MockResolver) { o.Now = func() time.Time { return time.Unix(0, 0) } }, "clock", Problem, "1 January 1970", "timesyncd", "domain-age"},
		{"little memory", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Memory = func() (uint64, bool) { return 256 << 20, true }
		}, "memory", Warning, "Only 256 MB", "swap", ""},
		{"little disk", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Disk = func(string) (uint64, bool) { return 300 << 20, true }
		}, "disk", Warning, "Only 300 MB are free", "room", ""},
		{"few files", func(o *Options, _ *dns.MockResolver) {
			o.Machine.OpenFiles = func() (uint64, bool) { return 1024, true }
		}, "files", Warning, "only 1024 open files", "LimitNOFILE", ""},
		{"no user", func(o *Options, _ *dns.MockResolver) { o.Machine.HasUser = func(string) bool { return false } }, "user", Note, "no user mox yet", "useradd", ""},
		{"directory of the user", func(o *Options, _ *dns.MockResolver) {
			o.Machine.UserID = func(string) (ownership.User, error) {
				return ownership.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}, nil
			}
		}, "user", Problem, "can change directory", "chown root ", ""},
		{"not root", func(o *Options, _ *dns.MockResolver) { o.Machine.IsRoot = func() bool { return false } }, "user", Note, "not run as root", "as root", ""},
		{"not ASCII", func(o *Options, _ *dns.MockResolver) { o.Address = "jürgen@example.org" }, "address", Note, "SMTPUTF8", "ASCII", ""},
		{"IDN", func(o *Options, _ *dns.MockResolver) { o.Address = "you@bücher.example" }, "address", Note, "xn--bcher-kva.example in DNS", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, r := goodOptions(t)
			tc.fault(&o, r)
			p, err := Survey(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range p.Findings {
				if f.Level == OK || slices.Contains(strings.Fields(tc.also), f.Check) {
					continue
				}
				if f.Check != tc.check || f.Level != tc.level || !strings.Contains(f.Text, tc.text) || !strings.Contains(f.Remedy, tc.remedy) {
					t.Errorf("found %+v", f)
				}
				found = true
			}
			if !found && tc.check != "" {
				t.Errorf("nothing is found: %+v", p.Findings)
			}
			for _, check := range strings.Fields(tc.also) {
				if !slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Check == check && f.Level != OK }) {
					t.Errorf("nothing found by check %s", check)
				}
			}
		})
	}
}

// TestPlans: which addresses and names are proposed.
func TestPlans(t *testing.T) {
	lo := Interface{"lo", addrs("127.0.0.1", "::1")}
	for _, tc := range []struct {
		name                          string
		change                        func(o *Options, r *dns.MockResolver)
		host, ips, nat, internal, web string
	}{
		{"public", func(*Options, *dns.MockResolver) {}, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"only what is in DNS", func(_ *Options, r *dns.MockResolver) { delete(r.AAAA, "mail.example.org") }, "mail.example.org", "192.0.2.1", "", "127.0.0.1 ::1", ""},
		{"nothing in DNS", func(_ *Options, r *dns.MockResolver) { r.A, r.AAAA = nil, nil }, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"translated", func(o *Options, r *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("192.168.1.2")})
			delete(r.AAAA, "mail.example.org")
		}, "mail.example.org", "192.168.1.2", "192.0.2.1", "127.0.0.1 ::1", ""},
		{"translated IPv4, real IPv6", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("192.168.1.2", "2001:db8::1")})
		}, "mail.example.org", "192.168.1.2 2001:db8::1", "192.0.2.1 2001:db8::1", "127.0.0.1 ::1", ""},
		{"private beside public", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("192.0.2.1", "10.0.0.5", "2001:db8::1")}, Interface{"docker0", addrs("172.17.0.1")}, Interface{"wg0", addrs("10.8.0.1")})
		}, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"private network with its own DNS", func(o *Options, r *dns.MockResolver) {
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("10.0.0.5")})
			r.A["mail.example.org"] = []string{"10.0.0.5"}
			delete(r.AAAA, "mail.example.org")
		}, "mail.example.org", "10.0.0.5", "", "127.0.0.1 ::1", ""},
		{"given, offline", func(o *Options, _ *dns.MockResolver) {
			o.Offline, o.Resolver, o.PublicIPs, o.Hostname = true, nil, addrs("198.51.100.9"), "mx.example.org"
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("10.0.0.5")})
		}, "mx.example.org", "10.0.0.5", "198.51.100.9", "127.0.0.1 ::1", ""},
		{"no network", func(o *Options, _ *dns.MockResolver) {
			o.Offline, o.Resolver = true, nil
			o.Machine.Interfaces = interfacesOf(Interface{"lo", addrs("127.0.0.1")})
		}, "mail.example.org", "0.0.0.0", "", "127.0.0.1", "1080"},
		{"container", func(o *Options, r *dns.MockResolver) {
			o.Docker = true
			o.Machine.Interfaces = interfacesOf(lo, Interface{"eth0", addrs("172.18.0.2")})
			delete(r.AAAA, "mail.example.org")
		}, "mail.example.org", "0.0.0.0 ::", "192.0.2.1", "127.0.0.1 ::1", "1080"},
		{"name from reverse DNS", func(o *Options, _ *dns.MockResolver) {
			o.Machine.Hostname = func() (string, error) { return "localhost", nil }
		}, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"name made up", func(o *Options, r *dns.MockResolver) {
			o.Machine.Hostname, r.PTR = func() (string, error) { return "box", nil }, nil
		}, "box.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"name made up of nothing", func(o *Options, r *dns.MockResolver) {
			o.Machine.Hostname, r.PTR = func() (string, error) { return "localhost.localdomain", nil }, nil
		}, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", ""},
		{"existing web server", func(o *Options, _ *dns.MockResolver) { o.ExistingWebserver = true }, "mail.example.org", "192.0.2.1 2001:db8::1", "", "127.0.0.1 ::1", "1080"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, r := goodOptions(t)
			tc.change(&o, r)
			p, err := Survey(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{p.Hostname.ASCII, strings.Join(texts(p.IPs), " "), strings.Join(texts(p.NATIPs), " "), strings.Join(texts(p.InternalIPs), " ")}
			if want := []string{tc.host, tc.ips, tc.nat, tc.internal}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			text, err := p.staticText(nil)
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(string(text), "Port: 1080"); has != (tc.web != "") {
				t.Errorf("applications on port 1080: %v", has)
			}
		})
	}
}

// TestRefused: what nothing is written for.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(o *Options, r *dns.MockResolver)
		is     error
	}{
		{"no address", func(o *Options, _ *dns.MockResolver) { o.Address = "you" }, ErrAddress},
		{"no domain", func(o *Options, _ *dns.MockResolver) { o.Address = "you@localhost" }, ErrAddress},
		{"separator", func(o *Options, _ *dns.MockResolver) { o.Address = "you+me@example.org" }, ErrAddress},
		{"reports", func(o *Options, _ *dns.MockResolver) { o.Address = "TLSreports@example.org" }, ErrAddress},
		{"host name", func(o *Options, _ *dns.MockResolver) { o.Hostname = "a b" }, ErrAddress},
		{"root", func(o *Options, _ *dns.MockResolver) { o.User = "root" }, ErrAddress},
		{"no DNS", func(_ *Options, r *dns.MockResolver) { r.Fail = map[string]error{"ns com": nil} }, ErrResolver},
		{"DNS that takes long", func(o *Options, r *dns.MockResolver) {
			r.Delay = map[string]time.Duration{"ns com": time.Minute}
			o.Timeout = 50 * time.Millisecond
		}, ErrResolver},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, r := goodOptions(t)
			tc.change(&o, r)
			if _, err := Run(t.Context(), o); !errors.Is(err, tc.is) {
				t.Errorf("error %v", err)
			}
			if l, _ := os.ReadDir(o.Dir); len(l) > 0 {
				t.Errorf("%v was made", l)
			}
		})
	}
}

// TestFiles: cli reference, section 3: files, modes, passwords, and what is in them.
func TestFiles(t *testing.T) {
	o, _ := goodOptions(t)
	var printed bytes.Buffer
	o.Found = func(c Check, l []Finding) { PrintFindings(&printed, c, l) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteLog(printed.Bytes()); err != nil {
		t.Fatal(err)
	}
	stamp := testNow.Format("20060102T150405")
	want := map[string]fs.FileMode{
		"data": fs.ModeDir | 0o770, "config/mox.conf": 0o660, "config/domains.conf": 0o660, "config/adminpasswd": 0o660, "mox.service": 0o644, "quickstart.log": 0o600,
		"config/hostkeys/mail.example.org." + stamp + ".rsa2048.privatekey.pkcs8.pem":         0o600,
		"config/hostkeys/mail.example.org." + stamp + ".ecdsap256.privatekey.pkcs8.pem":       0o600,
		"config/dkim/2026a._domainkey.example.org." + stamp + ".rsa2048.privatekey.pkcs8.pem": 0o660,
		"config/dkim/2026b._domainkey.example.org." + stamp + ".ed25519.privatekey.pkcs8.pem": 0o660,
		"config/dkim/2026c._domainkey.example.org." + stamp + ".rsa2048.privatekey.pkcs8.pem": 0o660,
		"data/accounts/you/account.db": 0o660,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(o.Dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
	}
	for _, want := range []string{r.AccountPassword, r.AdminPassword, "webmail is at https://mail.example.org/webmail/, the account pages are at https://mail.example.org/,", "http://localhost/admin/.", "example.org. IN MX 10 mail.example.org.", "_25._tcp.mail.example.org. IN TLSA 3 1 1", "systemctl enable --now " + o.Dir + "/mox.service"} {
		if !strings.Contains(strings.Join(strings.Fields(printed.String()), " "), want) {
			t.Errorf("%q is not printed", want)
		}
	}
	if l := r.Snapshot.Warnings; len(l) > 0 {
		t.Errorf("warnings %v", l)
	}
	// FEATURES A-94: administration is for this machine.
	if public, internal := r.Snapshot.Listeners["public"], r.Snapshot.Listeners["internal"]; public.AdminHTTP.Enabled || public.AdminHTTPS.Enabled || !internal.AdminHTTP.Enabled || internal.Hostname.ASCII != "localhost" {
		t.Errorf("admin pages: public %v %v, internal %v", public.AdminHTTP, public.AdminHTTPS, internal.AdminHTTP)
	}

	// What is switched off can be switched on.
	for _, name := range []string{"config/mox.conf", "config/domains.conf"} {
		path := filepath.Join(o.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var on []string
		for line := range strings.Lines(string(text)) {
			rest := strings.TrimLeft(line, "\t")
			if strings.HasPrefix(rest, "#") && !strings.HasPrefix(rest, "# ") && rest != "#\n" {
				line = strings.Replace(line, "#", "", 1)
			}
			on = append(on, line)
		}
		if err := os.WriteFile(path, []byte(strings.Join(on, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(o.Dir, "config/mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dest := snap.Dynamic.Accounts["you"].Destinations["you@example.org"]
	if !snap.Static.CheckUpdates || len(snap.Static.Listeners["public"].SMTP.DNSBLs) != 2 || len(dest.Rulesets) != 1 || r.Snapshot.Static.CheckUpdates || len(r.Snapshot.Dynamic.Accounts["you"].Destinations["you@example.org"].Rulesets) != 0 {
		t.Error("examples are not switched off, or not on")
	}
}

// TestAgain: where there is an installation nothing changes.
func TestAgain(t *testing.T) {
	o, _ := goodOptions(t)
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	before := tree(t, o.Dir)
	o.Address = "other@example.net"
	_, err := Run(t.Context(), o)
	if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "config/mox.conf") {
		t.Errorf("error %v", err)
	}
	if err := CheckNew(o); !errors.Is(err, ErrExists) {
		t.Errorf("error %v", err)
	}
	if after := tree(t, o.Dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// tree lists a directory with contents.
func tree(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			b.WriteString(path + "\n")
			return err
		}
		text, err := os.ReadFile(path)
		b.WriteString(path + " " + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestUndo: when something fails, what was made goes away, and what was there stays.
func TestUndo(t *testing.T) {
	for _, there := range []string{"data/accounts", "config/hostkeys", "data/shares"} {
		t.Run(there, func(t *testing.T) {
			o, _ := goodOptions(t)
			p, err := Survey(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			// A file where a directory has to be, or the other way around.
			path := filepath.Join(o.Dir, there)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if there == "data/shares" {
				err = os.MkdirAll(path, 0o700)
			} else {
				err = os.WriteFile(path, []byte("here before"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := tree(t, o.Dir)
			_, err = p.Write(t.Context())
			if there == "data/shares" && err == nil {
				t.Skip("the store does without")
			}
			if err == nil {
				t.Fatal("no error")
			}
			if after := tree(t, o.Dir); after != before {
				t.Errorf("error %v\nbefore:\n%s\nafter:\n%s", err, before, after)
			}
		})
	}
}

// TestAccountNames: names of accounts are names of directories.
func TestAccountNames(t *testing.T) {
	for localpart, want := range map[string]string{"You": "you", "a.b": "a.b", "o/c": "o-c", "jürgen": "jürgen", ".x.": "x"} {
		if got := admin.AccountName(smtp.Localpart(localpart)); got != want {
			t.Errorf("%s: %q, want %q", localpart, got, want)
		}
	}
}

func FuzzProcAddr(f *testing.F) {
	f.Add("0100007F:0019")
	f.Add("00000000000000000000000001000000:0016")
	f.Fuzz(func(t *testing.T, s string) {
		if ap, ok := parseProcAddr(s); ok && !ap.Addr().IsValid() {
			t.Errorf("%q: %v", s, ap)
		}
	})
}

// TestListening finds our own socket in the tables of the kernel.
func TestListening(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := listening()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Skip("no tables")
	}
	i := slices.IndexFunc(all, func(s Socket) bool { return s.Addr.String() == l.Addr().String() })
	if i < 0 || all[i].PID != os.Getpid() || all[i].Process == "" {
		t.Errorf("%v is not in %+v", l.Addr(), all)
	}
}

// TestLookUpRecord: what is said of records in DNS.
func TestLookUpRecord(t *testing.T) {
	r, err := dns.MockZone(`
mail.example.org. A 192.0.2.1
mail.example.org. AAAA 2001:db8::1
example.org. MX 10 mail.example.org.
other.example.org. MX 5 mx.old.example.
example.org. TXT "v=spf1 mx ~all"
example.org. TXT "some-site-verification=1"
alias.example.org. CNAME mail.example.org.
flat.example.org. A 192.0.2.1
away.example.org. A 192.0.2.9
_imaps._tcp.example.org. SRV 0 1 993 mail.example.org.
_25._tcp.mail.example.org. TLSA 3 1 1 0a0b
1.2.0.192.in-addr.arpa. PTR mail.example.org.
`)
	if err != nil {
		t.Fatal(err)
	}
	r.Fail = map[string]error{"txt broken.example.org": nil}
	for _, tc := range []struct {
		name, typ, value string
		state            RecordState
		there            string
	}{
		{"mail.example.org.", "A", "192.0.2.1", RecordThere, "192.0.2.1"},
		{"mail.example.org.", "AAAA", "2001:db8::1", RecordThere, "2001:db8::1"},
		{"mail.example.org.", "A", "192.0.2.2", RecordOther, "192.0.2.1"},
		{"example.org.", "MX", "10 mail.example.org.", RecordThere, "10 mail.example.org."},
		{"other.example.org.", "MX", "10 mail.example.org.", RecordOther, "5 mx.old.example."},
		{"example.org.", "TXT", "v=spf1 mx ~all", RecordThere, "v=spf1 mx ~all"},
		{"example.org.", "TXT", "v=spf1 mx -all", RecordOther, "v=spf1 mx ~all"},
		{"example.org.", "TXT", "v=DKIM1;p=x", RecordMissing, ""},
		{"broken.example.org.", "TXT", "v=spf1 -all", RecordUnknown, ""},
		{"alias.example.org.", "CNAME", "mail.example.org.", RecordThere, "mail.example.org."},
		{"alias.example.org.", "CNAME", "host.example.org.", RecordOther, "mail.example.org."},
		{"none.example.org.", "CNAME", "mail.example.org.", RecordMissing, ""},
		{"flat.example.org.", "CNAME", "mail.example.org.", RecordThere, "mail.example.org."},
		{"away.example.org.", "CNAME", "mail.example.org.", RecordOther, "192.0.2.9"},
		{"_imaps._tcp.example.org.", "SRV", "0 1 993 mail.example.org.", RecordThere, "0 1 993 mail.example.org."},
		{"_imap._tcp.example.org.", "SRV", "0 0 0 .", RecordMissing, ""},
		{"_25._tcp.mail.example.org.", "TLSA", "3 1 1 0a0b", RecordThere, "3 1 1 0a0b"},
		{"1.2.0.192.in-addr.arpa.", "PTR", "mail.example.org.", RecordThere, "mail.example.org."},
		{"example.org.", "CAA", `0 issue "letsencrypt.org"`, RecordUnknown, ""},
	} {
		got := LookUpRecord(t.Context(), r, dnsrecords.Record{Name: tc.name, Type: tc.typ, Value: tc.value})
		if got.State != tc.state || strings.Join(got.There, "|") != tc.there || (got.Err != nil) != (tc.state == RecordUnknown) {
			t.Errorf("%s %s %s: %+v", tc.name, tc.typ, tc.value, got)
		}
	}
}
