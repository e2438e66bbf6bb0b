package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/autotls"
)

// Bounds of what is said to be well.
const (
	diskLow        = 2 << 30   // there should be more
	diskFull       = 256 << 20 // databases and mail need that soon
	replicaLate    = 5 * time.Minute
	searchLate     = time.Hour
	certificateEnd = 3 * 24 * time.Hour // a certificate that ends so soon is urgent
	backupOld      = 7 * 24 * time.Hour // so old a last backup is urgent
	blockedFrom    = 3                  // connections in a row that time out, to think of a blocked port
	refusedFrom    = 10                 // that fail otherwise, for so many destinations at least as above
	firstWait      = time.Hour          // certificates and the like take some time after the first start
)

// rule judges one kind of facts.
type rule struct {
	kind  string
	judge func(f *Facts) (Sentence, bool)
}

// kindErrors is the kind of the sentence about the log.
const kindErrors = "errors"

// rules in the order of importance, for those of the same level.
var rules = []rule{
	{"health", judgeHealth},
	{"disk", judgeDisk},
	{"certificate", judgeCertificates},
	{"storing", judgeStoring},
	{"port25", judgeConnections},
	{"backup", judgeBackup},
	{"drill", judgeDrill},
	{"late", judgeLate},
	{"destination", judgeDestinations},
	{"blocklist", judgeListings},
	{"ban", judgeBans},
	{"panic", judgePanics},
	{"upgrade", judgeUpgrade},
	{"replica", judgeReplica},
	{"held", judgeHeld},
	{"search", judgeSearch},
	{"unknown", judgeUnknown},
	{"configuration", judgeWarnings},
	{kindErrors, judgeErrors},
	{"nobackup", judgeNoBackup},
	{"newer", judgeNewer},
}

func say(level Level, command, format string, args ...any) (Sentence, bool) {
	return Sentence{Level: level, Command: command, Text: fmt.Sprintf(format, args...)}, true
}

func nothing() (Sentence, bool) { return Sentence{}, false }

func judgeHealth(f *Facts) (Sentence, bool) {
	if len(f.Health) == 0 {
		return nothing()
	}
	return say(Urgent, "mox health", "The server fails its own check of %s%s.", quoteFirst(f.Health[0]), others(len(f.Health)-1, "more check", "more checks"))
}

// quoteFirst is a text of others within a sentence.
func quoteFirst(text string) string { return strings.TrimPrefix(because(text), ": ") }

func judgeDisk(f *Facts) (Sentence, bool) {
	level := Problem
	switch {
	case !f.Disk.Known || f.Disk.Free >= diskLow:
		return nothing()
	case f.Disk.Free < diskFull:
		level = Urgent
	}
	return say(level, fmt.Sprintf("df -h '%s'", strings.ReplaceAll(f.Disk.Dir, "'", `'\''`)),
		"The disk of the data directory has only %s left, and when it is full no mail can be received: remove other files, or make it larger.", bytes(f.Disk.Free))
}

func judgeCertificates(f *Facts) (Sentence, bool) {
	var worst Sentence
	bad := map[string]bool{}
	for _, c := range f.Certificates {
		s, ok := f.judgeCertificate(c)
		if !ok {
			continue
		}
		if len(bad) == 0 || s.Level == Urgent && worst.Level != Urgent {
			worst = s
		}
		bad[certificateName(c)] = true
	}
	if len(bad) == 0 {
		return nothing()
	}
	worst.Text += others(len(bad)-1, "other name with such a problem", "other names with such problems") + "."
	return worst, true
}

func certificateName(c autotls.CertStatus) string {
	if len(c.Names) > 0 {
		return c.Names[0]
	}
	return c.File
}

// judgeCertificate returns a sentence without its full stop.
func (f *Facts) judgeCertificate(c autotls.CertStatus) (Sentence, bool) {
	name, left := certificateName(c), c.NotAfter.Sub(f.Now)
	command := "mox certificates list"
	if c.Source == "acme" {
		command = "mox certificates renew " + name
	}
	level := Problem
	if left < certificateEnd {
		level = Urgent
	}
	switch {
	case c.NotAfter.IsZero() && c.LastError == "":
		if f.Uptime < firstWait {
			return nothing()
		}
		return say(Urgent, command, "There is no TLS certificate for %s yet", name)
	case c.NotAfter.IsZero():
		return say(Urgent, command, "No TLS certificate could be gotten for %s%s", name, because(c.LastError))
	case left <= 0:
		return say(Urgent, command, "The TLS certificate of %s has ended %s ago%s", name, span(-left), because(c.LastError))
	case c.Soon || left < certificateEnd && c.Source != "acme":
		return say(level, command, "The TLS certificate of %s ends in %s and was not renewed%s", name, span(left), because(c.LastError))
	case c.LastError != "" && c.Failures >= 2:
		return say(Problem, command, "The TLS certificate of %s, which ends in %s, cannot be renewed%s", name, span(left), because(c.LastError))
	}
	return nothing()
}

func judgeBans(f *Facts) (Sentence, bool) {
	if len(f.BannedUsers) == 0 {
		return nothing()
	}
	u := f.BannedUsers[0]
	until := ""
	if !u.Ban.Expires.IsZero() {
		until = fmt.Sprintf(" for %s more", span(u.Ban.Expires.Sub(f.Now)))
	}
	return say(Problem, fmt.Sprintf("mox ban remove %s", u.Ban.Network), "The network %s is banned%s, and somebody has logged in from there %s ago, who cannot read or send mail now%s.",
		u.Ban.Network, until, span(f.Now.Sub(u.Login)), others(len(f.BannedUsers)-1, "more network of users", "more networks of users"))
}

func judgeStoring(f *Facts) (Sentence, bool) {
	if f.Unstored == 0 {
		return nothing()
	}
	return say(Urgent, "mox check -quick", "%s could not be stored within the last day, and senders were told to try again.", number(f.Unstored, "incoming message", "incoming messages"))
}

// blocked tells whether it looks as if nothing outside can be reached: connections fail one after
// the other, for more than one destination if any has ever worked. Some networks refuse rather than
// drop; and where there is no IPv6, such attempts fail among those that time out.
func (f *Facts) blocked() bool {
	n := 0
	for _, d := range f.Queue.Destinations {
		if d.NoReply > 0 {
			n++
		}
	}
	c := f.Connections
	return c.Timeouts >= blockedFrom && (n >= 2 || n == 1 && c.LastOK.IsZero()) || c.Others >= refusedFrom && n >= blockedFrom
}

func judgeConnections(f *Facts) (Sentence, bool) {
	if !f.blocked() {
		return nothing()
	}
	since := "the start"
	if ok := f.Connections.LastOK; !ok.IsZero() {
		since = span(f.Now.Sub(ok)) + " ago"
	}
	waiting := 0
	name := ""
	for _, d := range f.Queue.Destinations {
		waiting += d.NoReply
		if name == "" && d.NoReply > 0 {
			name = d.Name
		}
	}
	command := "mox dane dialmx " + name
	if ip, literal := strings.CutPrefix(strings.TrimSuffix(name, "]"), "["); literal {
		command = "mox smtp dial " + strings.TrimPrefix(ip, "IPv6:")
	}
	return say(Urgent, command, "No other mail server could be reached since %s, and %s: outgoing port 25 is probably blocked by the provider, who may open it, or send through another server (Transports in mox.conf).",
		since, number(waiting, "message waits", "messages wait"))
}

func judgeBackup(f *Facts) (Sentence, bool) {
	if f.Backup == nil {
		return nothing()
	}
	st, interval := f.Backup.State, f.Backup.Interval
	never := st.Good.Ended.IsZero()
	age := f.Now.Sub(st.Good.Ended)
	level, last := Problem, "none was made before"
	if !never {
		last = fmt.Sprintf("the last good one is %s old", span(age))
	}
	if never || age > max(backupOld, 3*interval) {
		level = Urgent
	}
	switch {
	case st.Last.Err != "":
		return say(level, "mox backup run", "The last backup failed, and %s%s.", last, because(st.Last.Err))
	case never && f.Uptime > interval+firstWait:
		return say(level, "mox backup run", "No backup was made yet.")
	case !never && age > 2*interval+firstWait && f.Uptime > firstWait:
		return say(level, "mox backup run", "No backup was made when it was due: %s.", last)
	}
	return nothing()
}

func judgeDrill(f *Facts) (Sentence, bool) {
	if f.Backup == nil {
		return nothing()
	}
	d := f.Backup.Drill.Last
	if d.Time.IsZero() || d.OK {
		return nothing()
	}
	why := ""
	if len(d.Failures) > 0 {
		why = d.Failures[0]
	}
	return say(Urgent, "mox backup check", "The newest backup could not be restored and proven when that was tried %s ago%s.", span(f.Now.Sub(d.Time)), because(why))
}

func judgeLate(f *Facts) (Sentence, bool) {
	if f.Queue.Late == 0 || f.blocked() {
		return nothing()
	}
	worst := slices.MaxFunc(f.Queue.Destinations, func(a, b Destination) int { return a.Late - b.Late })
	atLeast := ""
	if f.Queue.More {
		atLeast = "At least "
	}
	return say(Problem, "mox queue list -sort queued -asc", "%s%s for longer than a day, the oldest for %s; most are for %s%s.", atLeast,
		number(f.Queue.Late, "outgoing message waits", "outgoing messages wait"), span(f.Now.Sub(f.Queue.Oldest)), worst.Name, because(worst.Error))
}

// judgeDestinations tells of destinations with several messages none of which goes out, before they
// are late.
func judgeDestinations(f *Facts) (Sentence, bool) {
	if f.blocked() {
		return nothing()
	}
	var failing []Destination
	for _, d := range f.Queue.Destinations {
		if d.Late == 0 && d.Messages >= failingFrom && d.Repeated == d.Messages {
			failing = append(failing, d)
		}
	}
	if len(failing) == 0 {
		return nothing()
	}
	worst := slices.MaxFunc(failing, func(a, b Destination) int { return a.Messages - b.Messages })
	command := "mox queue list"
	if worst.Name != thisServer && !strings.HasPrefix(worst.Name, "[") {
		command += " -to @" + worst.Name
	}
	return say(Problem, command, "All %d messages for %s were tried more than once in vain%s%s.", worst.Messages, worst.Name, because(worst.Error),
		others(len(failing)-1, "other destination like that", "other destinations like that"))
}

func judgeListings(f *Facts) (Sentence, bool) {
	if len(f.Listings) == 0 {
		return nothing()
	}
	l := f.Listings[0]
	return say(Problem, fmt.Sprintf("mox dnsbl check %s %s", l.Zone, l.IP), "Our address %s is in the blocklist %s, so that others may refuse our mail%s: its web site says why and how to be removed.",
		l.IP, l.Zone, others(len(f.Listings)-1, "more listing", "more listings"))
}

func judgePanics(f *Facts) (Sentence, bool) {
	if f.Panics == 0 {
		return nothing()
	}
	return say(Problem, "mox logs -level error -scrub", "The program has hit %s in itself since it was started %s ago: please report what the log has about it.", number(f.Panics, "bug", "bugs"), span(f.Uptime))
}

func judgeUpgrade(f *Facts) (Sentence, bool) {
	if !f.Upgrade.Failed {
		return nothing()
	}
	what := "has failed, and the new program had to stay"
	if f.Upgrade.Undone {
		what = "was undone, and the program before serves"
	}
	return say(Problem, "mox upgrade -status", "The last upgrade %s%s.", what, because(f.Upgrade.Reason))
}

func judgeReplica(f *Facts) (Sentence, bool) {
	if f.ReplicaLag < replicaLate {
		return nothing()
	}
	return say(Problem, "mox backup list", "The copy of the databases in the repository of backups is %s behind: it probably cannot be reached.", span(f.ReplicaLag))
}

func judgeHeld(f *Facts) (Sentence, bool) {
	if f.Queue.Held == 0 {
		return nothing()
	}
	return say(Problem, "mox queue list -hold true", "%s on hold for longer than a day, until someone releases them (mox queue unhold).", number(f.Queue.Held, "outgoing message is", "outgoing messages are"))
}

func judgeSearch(f *Facts) (Sentence, bool) {
	if f.SearchLag < searchLate {
		return nothing()
	}
	return say(Problem, "mox reindex", "The index for searches is %s behind, so that searches are slow.", span(f.SearchLag))
}

func judgeUnknown(f *Facts) (Sentence, bool) {
	if len(f.Unknown) == 0 {
		return nothing()
	}
	return say(Problem, "mox health", "Not all could be looked at: %s%s.", quoteFirst(f.Unknown[0]), others(len(f.Unknown)-1, "more thing", "more things"))
}

func judgeWarnings(f *Facts) (Sentence, bool) {
	if len(f.Warnings) == 0 {
		return nothing()
	}
	return say(Problem, "mox config test", "The configuration is probably not as it is meant%s%s.", because(f.Warnings[0]), others(len(f.Warnings)-1, "more warning", "more warnings"))
}

func judgeErrors(f *Facts) (Sentence, bool) {
	if f.Errors == 0 {
		return nothing()
	}
	return say(Problem, "mox logs -level error -since 24h", "%s logged within the last day.", number(f.Errors, "error was", "errors were"))
}

func judgeNoBackup(f *Facts) (Sentence, bool) {
	if f.Backup != nil {
		return nothing()
	}
	return say(Hint, "mox config example backup", "No backups are configured (Backup in mox.conf): a broken disk would take all mail with it.")
}

// summary is the good sentence.
func (f *Facts) summary() string {
	parts := []string{"the server has run for " + span(f.Uptime)}
	if f.Queue.Messages == 0 {
		parts = append(parts, "no outgoing mail waits")
	} else {
		parts = append(parts, number(f.Queue.Messages, "outgoing message waits", "outgoing messages wait"))
	}
	if end := f.firstEnd(); !end.IsZero() {
		parts = append(parts, "certificates are good for "+span(end.Sub(f.Now)))
	}
	if f.Disk.Known {
		parts = append(parts, bytes(f.Disk.Free)+" of disk are free")
	}
	if f.Backup != nil && !f.Backup.State.Good.Ended.IsZero() {
		parts = append(parts, "the last backup is "+span(f.Now.Sub(f.Backup.State.Good.Ended))+" old")
	}
	return "All is well: " + strings.Join(parts, ", ") + "."
}

// firstEnd is when the first certificate ends; zero: there is none.
func (f *Facts) firstEnd() (end time.Time) {
	for _, c := range f.Certificates {
		if !c.NotAfter.IsZero() && (end.IsZero() || c.NotAfter.Before(end)) {
			end = c.NotAfter
		}
	}
	return end
}

func judgeNewer(f *Facts) (Sentence, bool) {
	if f.Newer == "" {
		return nothing()
	}
	return say(Hint, "mox checkupdate", "Version %s of mox is available.", f.Newer)
}
