package status

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/autotls"
	"mox/backup"
	"mox/ban"
	"mox/queue"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// well are the facts of a server without any fault.
func well() *Facts {
	good := backup.Result{Time: now.Add(-5 * time.Hour), Ended: now.Add(-5 * time.Hour), Snapshot: "s"}
	return &Facts{
		Now: now, Uptime: 9 * day,
		Certificates: []autotls.CertStatus{
			{Source: "acme", Names: []string{"mail.d.example"}, Kind: "ecdsa", NotAfter: now.Add(60 * day)},
			{Source: "acme", Names: []string{"mta-sts.d.example"}, Kind: "ecdsa", NotAfter: now.Add(61 * day)},
		},
		Disk:        Disk{Dir: "/data", Free: 120 << 30, Known: true},
		Connections: Connections{LastOK: now.Add(-time.Hour), Timeouts: 1},
		Backup: &Backup{Interval: day, State: backup.ManagerState{Last: good, Good: good},
			Drill: backup.DrillState{Last: backup.Proven{Time: now.Add(-2 * day), OK: true}}},
	}
}

// message is one in the queue, for to, waiting since age, with the reply to each of its attempts; code 0: no host answered.
func message(t *testing.T, to string, age time.Duration, attempts, code int, text string) *queue.Message {
	t.Helper()
	p, err := queue.ParseAddress(to)
	if err != nil {
		t.Fatal(err)
	}
	m := &queue.Message{Recipient: p, Queued: now.Add(-age), Attempts: attempts, NextAttempt: now.Add(time.Hour)}
	if attempts > 0 {
		r := queue.Result{Start: now.Add(-time.Hour), Code: code, Error: text}
		if code == 0 {
			r.Code, r.Enhanced = 451, "4.4.1"
		}
		m.Results = []queue.Result{r}
	}
	return m
}

// TestFaults has a fault each; its sentence and nothing else is told.
func TestFaults(t *testing.T) {
	mail := func(t *testing.T, f *Facts, n int, to string, age time.Duration, attempts, code int, text string) {
		for range n {
			f.Queue.Add(message(t, to, age, attempts, code, text), now)
		}
	}
	for _, tc := range []struct {
		name    string
		fault   func(t *testing.T, f *Facts)
		level   Level
		kind    string
		text    string // part of it
		command string
	}{
		{"health", func(t *testing.T, f *Facts) {
			f.Health = []string{"account: no inbox", "queue: x"}
		}, Urgent, "health", "own check of account: no inbox (and 1 more check).", "mox health"},
		{"banned users", func(t *testing.T, f *Facts) {
			x := ban.Ban{Network: netip.MustParsePrefix("192.0.2.0/24"), Expires: now.Add(3 * time.Hour)}
			f.BannedUsers = []ban.User{{Ban: x, Login: now.Add(-2 * day)}, {Ban: x, Login: now.Add(-9 * day)}}
		}, Problem, "ban", "network 192.0.2.0/24 is banned for 3 hours more, and somebody has logged in from there 2 days ago, who cannot read or send mail now (and 1 more network of users).", "mox ban remove 192.0.2.0/24"},
		{"disk low", func(t *testing.T, f *Facts) { f.Disk.Free = 1 << 30 }, Problem, "disk", "only 1.0 GiB left", "df -h '/data'"},
		{"disk full", func(t *testing.T, f *Facts) { f.Disk.Free = 20 << 20 }, Urgent, "disk", "only 20 MiB left", "df -h '/data'"},
		{"certificate ended", func(t *testing.T, f *Facts) {
			f.Certificates[0].NotAfter = now.Add(-3 * day)
			f.Certificates[0].LastError = "urn:ietf:params:acme:error:dns: no address\n\x1b[2J"
		}, Urgent, "certificate", "certificate of mail.d.example has ended 3 days ago: urn:ietf:params:acme:error:dns: no address [2J.", "mox certificates renew mail.d.example"},
		{"certificate ends", func(t *testing.T, f *Facts) {
			f.Certificates[0].NotAfter, f.Certificates[0].Soon = now.Add(9*day), true
		}, Problem, "certificate", "ends in 9 days and was not renewed.", "mox certificates renew mail.d.example"},
		{"certificate of file ends", func(t *testing.T, f *Facts) {
			f.Certificates[1] = autotls.CertStatus{Source: "file", File: "x.crt", Names: []string{"x.example"}, NotAfter: now.Add(day)}
		}, Urgent, "certificate", "certificate of x.example ends in 24 hours", "mox certificates list"},
		{"certificates fail", func(t *testing.T, f *Facts) {
			for i := range f.Certificates {
				f.Certificates[i].LastError, f.Certificates[i].Failures = "refused", 2
			}
		}, Problem, "certificate", "cannot be renewed: refused (and 1 other name with such a problem).", "mox certificates renew mail.d.example"},
		{"no certificate", func(t *testing.T, f *Facts) {
			f.Certificates[1] = autotls.CertStatus{Source: "acme", Names: []string{"x.example"}, LastError: "no address"}
		}, Urgent, "certificate", "No TLS certificate could be gotten for x.example: no address.", "mox certificates renew x.example"},
		{"storing", func(t *testing.T, f *Facts) { f.Unstored = 2 }, Urgent, "storing", "2 incoming messages could not be stored", "mox check -quick"},
		{"port 25", func(t *testing.T, f *Facts) {
			f.Connections = Connections{Timeouts: 4}
			mail(t, f, 1, "x@a.example", 2*day, 9, 0, "dial: i/o timeout")
		}, Urgent, "port25", "since the start, and 1 message waits: outgoing port 25 is probably blocked", "mox dane dialmx a.example"},
		{"port 25 later", func(t *testing.T, f *Facts) {
			f.Connections = Connections{LastOK: now.Add(-5 * time.Hour), Timeouts: 40}
			mail(t, f, 5, "x@a.example", 4*time.Hour, 9, 0, "dial: i/o timeout")
			mail(t, f, 1, "x@b.example", 2*day, 9, 0, "dial: i/o timeout")
		}, Urgent, "port25", "since 5 hours ago, and 6 messages wait", "mox dane dialmx a.example"},
		{"backup fails", func(t *testing.T, f *Facts) {
			f.Backup.State.Last = backup.Result{Time: now, Ended: now, Err: "disk is full"}
		}, Problem, "backup", "The last backup failed, and the last good one is 5 hours old: disk is full.", "mox backup run"},
		{"backup never worked", func(t *testing.T, f *Facts) {
			f.Backup.State = backup.ManagerState{Last: backup.Result{Time: now, Ended: now, Err: "no such bucket"}}
		}, Urgent, "backup", "none was made before: no such bucket.", "mox backup run"},
		{"backup not made", func(t *testing.T, f *Facts) {
			f.Backup.State.Good.Ended = now.Add(-3 * day)
		}, Problem, "backup", "No backup was made when it was due: the last good one is 3 days old.", "mox backup run"},
		{"drill fails", func(t *testing.T, f *Facts) {
			f.Backup.Drill.Last = backup.Proven{Time: now.Add(-3 * time.Hour), Failures: []string{"queue.db: damaged"}}
		}, Urgent, "drill", "tried 3 hours ago: queue.db: damaged.", "mox backup check"},
		{"late", func(t *testing.T, f *Facts) {
			mail(t, f, 2, "x@full.example", 3*day, 12, 452, "mailbox is full")
			mail(t, f, 1, "x@other.example", 2*day, 8, 0, "i/o timeout")
		}, Problem, "late", "3 outgoing messages wait for longer than a day, the oldest for 3 days; most are for full.example: mailbox is full.", "mox queue list -sort queued -asc"},
		{"late and never tried", func(t *testing.T, f *Facts) {
			m := message(t, "x@a.example", 3*day, 0, 0, "")
			m.NextAttempt = now.Add(-time.Minute)
			f.Queue.Add(m, now)
		}, Problem, "late", "1 outgoing message waits", "mox queue list -sort queued -asc"},
		{"destination", func(t *testing.T, f *Facts) {
			mail(t, f, 4, "x@a.example", time.Hour, 3, 421, "go away")
		}, Problem, "destination", "All 4 messages for a.example were tried more than once in vain: go away.", "mox queue list -to @a.example"},
		{"blocklist", func(t *testing.T, f *Facts) {
			f.Listings = []Listing{{"bl.example", netip.MustParseAddr("192.0.2.1")}, {"other.example", netip.MustParseAddr("192.0.2.1")}}
		}, Problem, "blocklist", "192.0.2.1 is in the blocklist bl.example, so that others may refuse our mail (and 1 more listing)", "mox dnsbl check bl.example 192.0.2.1"},
		{"panic", func(t *testing.T, f *Facts) { f.Panics = 1 }, Problem, "panic", "1 bug in itself", "mox logs -level error -scrub"},
		{"upgrade undone", func(t *testing.T, f *Facts) {
			f.Upgrade = Upgrade{Failed: true, Undone: true, Reason: "it panicked"}
		}, Problem, "upgrade", "was undone, and the program before serves: it panicked.", "mox upgrade -status"},
		{"upgrade failed", func(t *testing.T, f *Facts) { f.Upgrade = Upgrade{Failed: true} }, Problem, "upgrade", "had to stay.", "mox upgrade -status"},
		{"replica", func(t *testing.T, f *Facts) { f.ReplicaLag = 3 * time.Hour }, Problem, "replica", "3 hours behind", "mox backup list"},
		{"held", func(t *testing.T, f *Facts) {
			m := message(t, "x@a.example", 3*day, 2, 0, "x")
			m.Hold = true
			f.Queue.Add(m, now)
		}, Problem, "held", "1 outgoing message is on hold", "mox queue list -hold true"},
		{"search", func(t *testing.T, f *Facts) { f.SearchLag = 2 * time.Hour }, Problem, "search", "2 hours behind", "mox reindex"},
		{"unknown", func(t *testing.T, f *Facts) { f.Unknown = []string{"disk: no answer"} }, Problem, "unknown", "looked at: disk: no answer.", "mox health"},
		{"configuration", func(t *testing.T, f *Facts) {
			f.Warnings = []string{"Listeners.public: no TLS", "x"}
		}, Problem, "configuration", "meant: Listeners.public: no TLS (and 1 more warning).", "mox config test"},
		{"errors", func(t *testing.T, f *Facts) { f.Errors = 7 }, Problem, "errors", "7 errors were logged", "mox logs -level error -since 24h"},
		{"newer version", func(t *testing.T, f *Facts) { f.Newer = "v1.2.3" }, Hint, "newer", "Version v1.2.3 of mox is available", "mox checkupdate"},
		{"no backup", func(t *testing.T, f *Facts) { f.Backup = nil }, Hint, "nobackup", "No backups are configured", "mox config example backup"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := well()
			tc.fault(t, f)
			r := f.Report()
			if len(r.Sentences) != 1 || r.More != 0 {
				t.Fatalf("not one sentence: %+v", r)
			}
			s := r.Sentences[0]
			if s.Level != tc.level || s.Kind != tc.kind || !strings.Contains(s.Text, tc.text) || s.Command != tc.command {
				t.Errorf("got %+v", s)
			}
			if !strings.HasSuffix(s.Text, ".") || strings.ContainsAny(s.Text, "\n\x1b") {
				t.Errorf("not a sentence: %q", s.Text)
			}
			if r.OK != (tc.level == Hint) || r.OK == (r.Summary == "") {
				t.Errorf("OK is %v, with summary %q", r.OK, r.Summary)
			}
		})
	}
}

// TestWell has what is no fault.
func TestWell(t *testing.T) {
	const sentence = "All is well: the server has run for 9 days, no outgoing mail waits, certificates are good for 60 days, 120 GiB of disk are free, the last backup is 5 hours old.\n"
	var b strings.Builder
	r := well().Report()
	if err := r.Print(&b); err != nil || b.String() != sentence || !r.OK {
		t.Errorf("got %q, %v, %+v", b.String(), err, r)
	}
	for name, change := range map[string]func(f *Facts){
		"future":     func(f *Facts) { f.Queue.Add(message(t, "x@a.example", 3*day, 0, 0, ""), now) },
		"first try":  func(f *Facts) { f.Queue.Add(message(t, "x@a.example", time.Hour, 1, 451, "later"), now) },
		"one failed": func(f *Facts) { f.Certificates[0].LastError, f.Certificates[0].Failures = "x", 1 },
		"starting": func(f *Facts) {
			f.Uptime, f.Certificates = time.Minute, []autotls.CertStatus{{Source: "acme", Names: []string{"x.example"}}}
			f.Backup.State, f.Backup.Drill = backup.ManagerState{}, backup.DrillState{}
		},
		"off for long": func(f *Facts) { f.Uptime, f.Backup.State.Good.Ended = time.Minute, now.Add(-20*day) },
		"one dead destination": func(f *Facts) {
			f.Connections.Timeouts = 50
			f.Queue.Add(message(t, "x@a.example", time.Hour, 5, 0, "i/o timeout"), now)
		},
	} {
		f := well()
		change(f)
		if r := f.Report(); !r.OK || len(r.Sentences) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestMany tells the worst five, and how many more.
func TestMany(t *testing.T) {
	f := well()
	f.Backup = nil
	f.Health = []string{"x"}
	// That of errors is left out: they are of the others.
	f.Errors, f.Panics, f.SearchLag, f.Warnings = 1, 1, day, []string{"w"}
	f.Upgrade.Failed = true
	f.Disk.Free = 1
	f.Listings = []Listing{{"bl.example", netip.MustParseAddr("192.0.2.1")}}
	r := f.Report()
	var kinds []string
	for _, s := range r.Sentences {
		kinds = append(kinds, s.Kind)
	}
	if want := []string{"health", "disk", "blocklist", "panic", "upgrade"}; !slices.Equal(kinds, want) || r.More != 2 || r.OK {
		t.Errorf("got %v, %d more, %v", kinds, r.More, r.OK)
	}
	var b strings.Builder
	if err := r.Print(&b); err != nil || !strings.HasPrefix(b.String(), "URGENT: The server fails") || !strings.HasSuffix(b.String(), "And 2 more problems: they are shown when these are solved.\n") {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

func TestNotRunning(t *testing.T) {
	if r := NotRunning(); r.OK || len(r.Sentences) != 1 {
		t.Errorf("got %+v", r)
	}
}
