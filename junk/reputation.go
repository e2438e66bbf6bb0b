package junk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mox/db"
	"mox/trace"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// Reputation returns what the user's classification of earlier messages for a mailbox says
// about a sender, by the first method with any history. What the user said just before is
// learned first.
func (f *Filter) Reputation(ctx context.Context, mailbox string, s trace.Sender) (trace.Reputation, error) {
	a := f.a
	start := time.Now()
	if err := a.catchUp(ctx); err != nil {
		return trace.Reputation{}, fmt.Errorf("looking up reputation: %w", err)
	}
	if err := a.outgoing.flush(ctx, a); err != nil {
		a.m.c.Log.WarnContext(ctx, "writing to whom the account sent", "account", a.name, "err", err)
	}
	j := judge{mailbox: mailboxName(mailbox), s: canonicalSender(s), org: a.m.c.OrgDomain, now: a.m.c.Now()}
	var r trace.Reputation
	err := a.read(ctx, func(c *db.Conn) (err error) {
		j.c = c
		r, err = j.run()
		return err
	})
	if err != nil {
		return trace.Reputation{}, fmt.Errorf("looking up reputation: %w", err)
	}
	a.m.c.Metrics.Judged("reputation", time.Since(start))
	return r, nil
}

// judge looks up the reputation of one sender.
type judge struct {
	c       *db.Conn
	mailbox string
	s       trace.Sender
	org     func(string) string
	now     time.Time

	// Most senders are strangers: which keys they have is found out first, with collecting
	// set, and then with one question which of those there is any history of.
	collecting    bool
	signals, sent []int64
	known         map[int64]bool
}

// methods are tried in this order; one returns nil when it has no history.
var methods = []func(*judge) (*trace.Reputation, error){
	(*judge).fromFull,
	(*judge).toFull,
	func(j *judge) (*trace.Reputation, error) {
		return j.fromDomain("msgfromdomain", kindDomain, j.s.FromDomain)
	},
	func(j *judge) (*trace.Reputation, error) {
		return j.toDomain("msgtodomain", kindSentDomain, j.s.FromDomain)
	},
	func(j *judge) (*trace.Reputation, error) {
		return j.fromDomain("msgfromorgdomain", kindOrg, j.s.OrgDomain)
	},
	(*judge).toOrgDomain,
	(*judge).dkimSPF,
	(*judge).networks,
}

func (j *judge) run() (trace.Reputation, error) {
	j.collecting = true
	if _, err := j.decide(); err != nil {
		return trace.Reputation{}, err
	}
	j.collecting = false
	if err := j.lookUp(); err != nil {
		return trace.Reputation{}, err
	}
	if len(j.known) == 0 {
		return trace.Reputation{Method: "none"}, nil
	}
	return j.decide()
}

// atOnce is how many keys are looked up with one statement.
const atOnce = 12

// lookUp finds which keys there is anything about.
func (j *judge) lookUp() error {
	j.known = map[int64]bool{}
	for _, q := range []struct {
		keys []int64
		sql  string
	}{
		{j.signals, "WITH k(key) AS (VALUES (?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?)) SELECT key FROM k WHERE EXISTS (SELECT 1 FROM signal s WHERE s.key=k.key)"},
		{j.sent, "WITH k(key) AS (VALUES (?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?)) SELECT key FROM k WHERE EXISTS (SELECT 1 FROM sent s WHERE s.key=k.key)"},
	} {
		for some := range slices.Chunk(q.keys, atOnce) {
			for len(some) < atOnce {
				some = append(some[:len(some):len(some)], some[0])
			}
			rows := j.c.QueryInts(q.sql, some...)
			for rows.Next() {
				j.known[rows.Int64(0)] = true
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *judge) decide() (trace.Reputation, error) {
	for _, m := range methods {
		if r, err := m(j); err != nil {
			return trace.Reputation{}, err
		} else if r != nil {
			return *r, nil
		}
	}
	return trace.Reputation{Method: "none"}, nil
}

// history is the newest classified messages of a key.
type history struct {
	junk []bool // newest first
	who  []int64
}

func (h *history) counts() (ham, junk int) {
	for _, is := range h.junk {
		if is {
			junk++
		}
	}
	return len(h.junk) - junk, junk
}

// share is that of junk.
func (h *history) share() float64 {
	_, junk := h.counts()
	return float64(junk) / float64(len(h.junk))
}

func (h *history) empty() bool { return len(h.junk) == 0 }

// judged fills in what was found.
func (h *history) judged(method, key, judgment string, conclusive bool) *trace.Reputation {
	r := &trace.Reputation{Method: method, Key: key, Judgment: judgment, Conclusive: conclusive}
	r.Ham, r.Junk = h.counts()
	return r
}

// last reads at most n messages of a key, not older than span.
func (j *judge) last(k kind, value string, span time.Duration, n int64) (h history, err error) {
	if value == "" {
		return h, nil
	}
	key := k.key(j.mailbox, value)
	if j.collecting {
		j.signals = append(j.signals, key)
	}
	if !j.known[key] {
		return h, nil
	}
	rows := j.c.QueryInts("SELECT junk, who FROM signal WHERE key=? AND time>=? ORDER BY time DESC, example DESC LIMIT ?", key, j.now.Add(-span).Unix(), n)
	for rows.Next() {
		h.junk, h.who = append(h.junk, rows.Int64(0) != 0), append(h.who, rows.Int64(1))
	}
	return h, rows.Close()
}

// sentTo tells whether the user wrote to a key within span.
func (j *judge) sentTo(k kind, value string, span time.Duration) (bool, error) {
	if value == "" {
		return false, nil
	}
	key := k.key("", value)
	if j.collecting {
		j.sent = append(j.sent, key)
	}
	if !j.known[key] {
		return false, nil
	}
	at, ok, err := j.c.QueryInt64("SELECT time FROM sent WHERE key=?", key)
	return ok && at >= j.now.Add(-span).Unix(), err
}

const (
	isHam  = "ham"
	isJunk = "junk"
)

func judgment(junk bool) string {
	if junk {
		return isJunk
	}
	return isHam
}

// fromFull is the history of the very From address. One that is not validated, of which
// there is validated history, is forged, whoever by.
func (j *judge) fromFull() (*trace.Reputation, error) {
	const method = "msgfromfull"
	bad := func(h history) bool { return h.junk[0] && (len(h.junk) == 1 || h.junk[1]) }
	valid := j.s.Validated()
	h, err := j.last(kindFrom.of(valid), j.s.From, 3*year, 2)
	if err != nil {
		return nil, err
	}
	var r *trace.Reputation
	if !h.empty() {
		r = h.judged(method, j.s.From, judgment(bad(h)), valid)
	} else if !valid {
		if h, err = j.last(kindFrom, j.s.From, 3*year, 2); err != nil || h.empty() {
			return nil, err
		}
		r = h.judged(method, j.s.From, isJunk, bad(h))
	}
	if r != nil {
		r.KnownAddress = true
	}
	return r, nil
}

// toFull: who the user writes to may answer. A From that is not verified may be anybody's,
// and decides nothing.
func (j *judge) toFull() (*trace.Reputation, error) {
	ok, err := j.sentTo(kindSentAddress, j.s.From, 3*year)
	if err != nil || !ok {
		return nil, err
	}
	return &trace.Reputation{Method: "msgtofull", Key: j.s.From, Judgment: isHam, Conclusive: j.s.Validated(), KnownAddress: true}, nil
}

// fromDomain is the history of a domain of From.
func (j *judge) fromDomain(method string, k kind, domain string) (*trace.Reputation, error) {
	valid := j.s.Validated()
	h, err := j.last(k.of(valid), domain, 2*year, 20)
	if err != nil {
		return nil, err
	}
	if !h.empty() {
		ham, _ := h.counts()
		switch {
		case ham*10 > len(h.junk)*8:
			return h.judged(method, domain, isHam, valid), nil
		case ham == 0:
			return h.judged(method, domain, isJunk, h.senders() >= 3), nil
		}
		return h.judged(method, domain, "", false), nil
	}
	if valid {
		return nil, nil
	}
	if h, err = j.last(k, domain, 2*year, 2); err != nil || h.empty() {
		return nil, err
	}
	ham, _ := h.counts()
	return h.judged(method, domain, isJunk, ham == 0 && len(h.junk) == 2), nil
}

// senders is how many different addresses there are.
func (h *history) senders() int {
	seen := map[int64]bool{}
	for _, w := range h.who {
		seen[w] = true
	}
	return len(seen)
}

func (j *judge) toDomain(method string, k kind, domain string) (*trace.Reputation, error) {
	ok, err := j.sentTo(k, domain, 2*year)
	if err != nil || !ok {
		return nil, err
	}
	return &trace.Reputation{Method: method, Key: domain, Judgment: isHam, Conclusive: j.s.Validated()}, nil
}

// toOrgDomain looks for the organization as recipients were noted: by Config.OrgDomain.
func (j *judge) toOrgDomain() (*trace.Reputation, error) {
	if j.s.FromDomain == "" {
		return nil, nil
	}
	return j.toDomain("msgtoorgdomain", kindSentOrg, canonicalDomain(j.org(j.s.FromDomain)))
}

// dkimSPF is the history of whoever has shown to be behind the message: domains of
// signatures, and of MAIL FROM and EHLO the most exact that has any.
func (j *judge) dkimSPF() (*trace.Reputation, error) {
	var all history
	var key string
	good, bad, mixed := 0, 0, 0
	look := func(k kind, value string) (bool, error) {
		h, err := j.last(k, value, year/2, 50)
		if err != nil || h.empty() {
			return false, err
		}
		if key == "" {
			key = value
		}
		all.junk = append(all.junk, h.junk...)
		switch share := h.share(); {
		case share < 0.1:
			good++
		case share > 0.9:
			bad++
		default:
			mixed++
		}
		return true, nil
	}
	for _, d := range j.s.DKIM[:min(len(j.s.DKIM), maxDKIM)] {
		if _, err := look(kindDKIM, d); err != nil {
			return nil, err
		}
	}
	for _, s := range []struct {
		k     kind
		value string
	}{{kindMailFrom, j.s.MailFrom}, {kindMailFromDomain, j.s.MailFromDomain}, {kindHello, j.s.Hello}} {
		if found, err := look(s.k, s.value); err != nil {
			return nil, err
		} else if found {
			break
		}
	}
	const method = "dkimspf"
	switch {
	case all.empty():
		return nil, nil
	case good > 0 && bad == 0 && mixed == 0:
		return all.judged(method, key, isHam, true), nil
	case bad > 0 && good == 0 && mixed == 0:
		return all.judged(method, key, isJunk, len(all.junk) > 1), nil
	}
	return all.judged(method, key, "", false), nil
}

// networks is the history of the client's network, the narrowest that has any.
func (j *judge) networks() (*trace.Reputation, error) {
	enough := [len(networks)]int{2, 5, 10}
	for i, net := range netKeys(j.s.IP) {
		h, err := j.last(networks[i], net, year/4, 50)
		if err != nil {
			return nil, err
		}
		if h.empty() {
			continue
		}
		method := fmt.Sprintf("ip%d", i+1)
		share := h.share()
		sure := (share <= 0.1 || share >= 0.9) && len(h.junk) >= enough[i]
		switch {
		case share < 0.25:
			return h.judged(method, net, isHam, sure), nil
		case share > 0.75:
			return h.judged(method, net, isJunk, sure), nil
		}
		return h.judged(method, net, "", false), nil
	}
	return nil, nil
}
