package imapserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/store"
)

// manyBoxes are the mailboxes that all clients of TestManyClients share.
var manyBoxes = []string{"INBOX", "Shared", "Shared/Below", "Archive"}

// maxShared is how many messages a shared mailbox has at most, about.
const maxShared = 150

// manyClients is one run: its clients do random commands until the time is up, and compare
// what they know with the server when all have stopped.
type manyClients struct {
	t        testing.TB
	addr     string
	until    time.Time
	done     sync.WaitGroup
	commands atomic.Int64
	resyncs  atomic.Int64
}

// manyClient is a client that keeps its model over mailboxes and connections.
type manyClient struct {
	*model
	run     *manyClients
	rnd     *rand.Rand
	c       *imapclient.Client
	box     string
	valid   uint32
	since   uint64 // HIGHESTMODSEQ of which everything is known
	modseqs map[uint32]uint64
	qresync bool
	own     string // a mailbox that only this client has, empty for none
	ownN    uint32
	last    []string // what happened lately, for a failure
}

// ownFailures tells the failures of one client from those of others.
type ownFailures struct {
	testing.TB
	failed bool
}

func (o *ownFailures) Errorf(format string, args ...any) {
	o.failed = true
	o.TB.Errorf(format, args...)
}

// note remembers what happened.
func (m *manyClient) note(format string, args ...any) {
	if len(m.last) == 600 {
		m.last = slices.Delete(m.last, 0, 300)
	}
	m.last = append(m.last, fmt.Sprintf(format, args...))
}

// describe is a response in short.
func describe(r imap.Response) string {
	switch r := r.(type) {
	case *imap.Expunge:
		return fmt.Sprintf("%d EXPUNGE", r.Seq)
	case *imap.NumberResponse:
		return fmt.Sprintf("%d %s", r.N, r.Name)
	}
	return fmt.Sprintf("%+v", r)
}

// see checks what the model does not: UIDs ascend, mod-sequences of a message do too.
func (m *manyClient) see(r imap.Response) {
	f, ok := r.(*imap.FetchResponse)
	if !ok {
		m.note("S: %s", describe(r))
		return
	}
	m.checkOrder(f)
	if uid := f.UID; uid != 0 && f.ModSeq != 0 {
		if was := m.modseqs[uid]; f.ModSeq < was {
			m.t.Errorf("%s: UID %d has mod-sequence %d after %d", m.name, uid, f.ModSeq, was)
		}
		m.modseqs[uid] = f.ModSeq
	}
}

func (m *manyClient) checkOrder(f *imap.FetchResponse) {
	if f.UID == 0 || f.Seq == 0 || int(f.Seq) > len(m.uids) {
		return
	}
	for _, before := range m.uids[:f.Seq-1] {
		if before >= f.UID {
			m.t.Errorf("%s: message %d has UID %d, one before it %d", m.name, f.Seq, f.UID, before)
		}
	}
}

// connect opens a session, and the mailbox: with QRESYNC what is known already is kept and
// brought up to date.
func (m *manyClient) connect(ctx context.Context) error {
	c, err := imapclient.Dial(ctx, m.run.addr, imapclient.Plain, nil, imapclient.Options{Unsolicited: m.on})
	if err != nil {
		return err
	}
	m.c = c
	if err := c.Login(ctx, testUser, testPassword); err != nil {
		return err
	}
	if m.qresync {
		if _, err := c.Enable(ctx, "QRESYNC"); err != nil {
			return err
		}
	}
	if m.qresync && m.since != 0 && len(m.uids) > 0 && !slices.Contains(m.uids, 0) {
		m.run.resyncs.Add(1)
		return m.resync(ctx)
	}
	return m.open(ctx, m.box)
}

// resync opens the same mailbox again, RFC 7162 3.2.5.
func (m *manyClient) resync(ctx context.Context) error {
	known := m.uids
	m.uids = nil
	sel, err := m.c.Select(ctx, m.box, fmt.Sprintf("(QRESYNC (%d %d))", m.valid, m.since))
	if err != nil {
		return err
	}
	if sel.UIDValidity != m.valid || sel.HighestModSeq < m.since {
		m.t.Errorf("%s: resynchronized %s from %d/%d to %d/%d", m.name, m.box, m.valid, m.since, sel.UIDValidity, sel.HighestModSeq)
	}
	m.note("resynchronized %s since %d, now %d; knew %v; vanished %+v", m.box, m.since, sel.HighestModSeq, known, sel.Vanished)
	for _, v := range sel.Vanished {
		for _, rg := range v.UIDs.Ranges {
			known = slices.DeleteFunc(known, func(u uint32) bool { return u >= rg.Start && u <= rg.Stop })
		}
	}
	// What is new comes with its UID; what was known and is left is where it was.
	m.uids = make([]uint32, sel.Exists)
	if copy(m.uids, known) < len(known) {
		m.t.Errorf("%s: %d messages known after resynchronization, %d exist", m.name, len(known), sel.Exists)
	}
	for _, f := range sel.Changed {
		m.on(f)
	}
	m.since = sel.HighestModSeq
	return m.learnAll(ctx)
}

// learnAll learns until no message is unknown: more may come while it asks.
func (m *manyClient) learnAll(ctx context.Context) error {
	for slices.Contains(m.uids, 0) {
		if err := m.learn(ctx, m.c); err != nil {
			return err
		}
	}
	return nil
}

// open selects a mailbox of which nothing is known.
func (m *manyClient) open(ctx context.Context, box string) error {
	m.box, m.uids, m.flags, m.modseqs = box, nil, map[uint32]string{}, map[uint32]uint64{}
	params := ""
	if m.rnd.IntN(2) == 0 {
		params = "(CONDSTORE)"
	}
	sel, err := m.c.Select(ctx, box, params)
	if err != nil {
		return err
	}
	m.uids = make([]uint32, sel.Exists)
	m.valid, m.since = sel.UIDValidity, sel.HighestModSeq
	return m.learnAll(ctx)
}

// reconnect ends the connection, sometimes without a word, and makes another.
func (m *manyClient) reconnect(ctx context.Context) error {
	if m.rnd.IntN(2) == 0 {
		if err := m.c.Logout(ctx); err != nil {
			return err
		}
	}
	m.c.Close()
	return m.connect(ctx)
}

// do runs one random command.
func (m *manyClient) do(ctx context.Context) error {
	n := m.rnd.IntN(40)
	m.note("%s, %d messages: command %d", m.box, len(m.uids), n)
	switch {
	case n == 0:
		return m.reconnect(ctx)
	case n == 1:
		return m.open(ctx, manyBoxes[m.rnd.IntN(len(manyBoxes))])
	case n < 5:
		return m.doOwn(ctx)
	case n == 5:
		_, err := m.c.Status(ctx, manyBoxes[m.rnd.IntN(len(manyBoxes))], "MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ SIZE")
		return err
	case n == 6:
		_, err := m.c.List(ctx, "", "*", "")
		return err
	case n < 10:
		return m.transfer(ctx)
	case n < 12:
		return m.find(ctx)
	case n < 14:
		return m.trim(ctx)
	default:
		return m.step(ctx, m.c, m.rnd)
	}
}

// doOwn makes, fills, renames and deletes a mailbox of its own, whose numbers nobody else changes.
func (m *manyClient) doOwn(ctx context.Context) error {
	switch {
	case m.own == "":
		m.own, m.ownN = fmt.Sprintf("own %s %d", m.name, m.rnd.IntN(1000)), 0
		return m.c.Create(ctx, m.own)
	case m.rnd.IntN(4) == 0:
		to := fmt.Sprintf("Renamed/%s %d", m.name, m.rnd.IntN(1000))
		if to == m.own {
			return nil
		}
		err := m.c.Rename(ctx, m.own, to)
		if err == nil {
			m.own = to
		}
		return err
	case m.rnd.IntN(5) == 0:
		own := m.own
		m.own = ""
		return m.c.Delete(ctx, own)
	}
	text := "Subject: own\r\n\r\n" + m.own + "\r\n"
	if _, err := m.c.Append(ctx, m.own, imapclient.AppendMessage{Size: int64(len(text)), Data: strings.NewReader(text)}); err != nil {
		return err
	}
	m.ownN++
	return m.checkOwn(ctx)
}

// checkOwn asks how many messages are in the mailbox that only this client has.
func (m *manyClient) checkOwn(ctx context.Context) error {
	st, err := m.c.Status(ctx, m.own, "MESSAGES UIDNEXT")
	if err == nil && (st.Items["MESSAGES"] != fmt.Sprint(m.ownN) || st.Items["UIDNEXT"] != fmt.Sprint(m.ownN+1)) {
		m.t.Errorf("%s: %s has %v, want %d messages", m.name, m.own, st.Items, m.ownN)
	}
	return err
}

// transfer copies or moves some messages to a shared mailbox, which may be the same.
func (m *manyClient) transfer(ctx context.Context) error {
	if len(m.uids) == 0 {
		return nil
	}
	to := manyBoxes[m.rnd.IntN(len(manyBoxes))]
	a := m.uids[m.rnd.IntN(len(m.uids))]
	set := fmt.Sprintf("%d:%d", a, a+uint32(m.rnd.IntN(4)))
	if m.rnd.IntN(3) == 0 && len(m.uids) < maxShared {
		_, err := m.c.Copy(ctx, true, set, to)
		return err
	}
	_, err := m.c.Move(ctx, true, set, to)
	return err
}

// find searches by sequence number: nothing may go meanwhile, RFC 9051 7.5.1.
func (m *manyClient) find(ctx context.Context) error {
	m.noExpunge = true
	defer func() { m.noExpunge = false }()
	known := slices.Clone(m.uids)
	res, err := m.c.Search(ctx, false, "RETURN (ALL COUNT) ", "OR SEEN NOT FLAGGED")
	if err != nil {
		return err
	}
	for _, r := range res.Numbers {
		if r.Start == 0 || int(r.Stop) > len(m.uids) {
			m.t.Errorf("%s: SEARCH found %d:%d of %d", m.name, r.Start, r.Stop, len(m.uids))
		}
	}
	if len(m.uids) < len(known) {
		m.t.Errorf("%s: messages went in SEARCH", m.name)
	}
	return nil
}

// trim keeps a mailbox from growing without end.
func (m *manyClient) trim(ctx context.Context) error {
	if len(m.uids) < maxShared {
		return m.c.Noop(ctx)
	}
	_, err := m.c.Store(ctx, true, fmt.Sprintf("%d:%d", m.uids[0], m.uids[len(m.uids)/3]), `+FLAGS (\Deleted)`)
	if err != nil {
		return err
	}
	return m.c.Expunge(ctx, "")
}

// allowed are refusals that a client gets when others were faster.
func allowed(err error) bool {
	var ierr *imap.Error
	return errors.As(err, &ierr) && ierr.Type == imap.NO && ierr.Code == imap.CodeExpungeIssued
}

// client is one client, from login to comparison.
func (run *manyClients) client(n int, seed uint64) {
	finished := sync.OnceFunc(run.done.Done)
	defer finished()
	ctx, cancel := context.WithDeadline(context.Background(), run.until.Add(2*time.Minute))
	defer cancel()
	own := &ownFailures{TB: run.t}
	m := &manyClient{model: &model{t: own, name: fmt.Sprintf("client-%d", n)}, run: run, rnd: rand.New(rand.NewPCG(seed, uint64(n))), box: manyBoxes[n%len(manyBoxes)], qresync: n%2 == 1}
	m.also = m.see
	check := func(what string, err error) bool {
		if err != nil && !allowed(err) {
			m.t.Errorf("%s: %s: %v", m.name, what, err)
			return false
		}
		return true
	}
	if !check("connect", m.connect(ctx)) {
		return
	}
	defer func() { m.c.Close() }()
	defer func() {
		if own.failed {
			run.t.Logf("%s lately:\n%s", m.name, strings.Join(m.last, "\n"))
		}
	}()
	for time.Now().Before(run.until) && !run.t.Failed() {
		if !check("learn", m.learnAll(ctx)) || !check("command", m.do(ctx)) {
			return
		}
		run.commands.Add(1)
	}
	finished()
	run.done.Wait()
	if run.t.Failed() || !check("noop", m.c.Noop(ctx)) || !check("learn", m.learnAll(ctx)) || len(m.uids) == 0 {
		return
	}
	m.compare(ctx, m.c, check)
	if m.own != "" {
		check("status", m.checkOwn(ctx))
	}
}

// TestManyClients has clients do random commands in shared mailboxes of one account. Each
// keeps a model from responses alone, over connections with QRESYNC too. At the end models,
// a new client and the database agree. $MOX_STRESS is for how long, such as 10m, with 50
// clients then; without it the test is short.
func TestManyClients(t *testing.T) {
	clients, length := 8, 1500*time.Millisecond
	if s := os.Getenv("MOX_STRESS"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		clients, length = 50, d
	}
	ts := newTestServer(t, testOptions{})
	ctx := context.Background()
	for _, name := range manyBoxes {
		if _, ok := ts.account.MailboxByName(name); !ok && name != "INBOX" {
			if _, err := ts.account.CreateMailbox(ctx, name, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			ts.add(name, smallMessage(i), store.Flags(i%8))
		}
	}
	run := &manyClients{t: t, addr: ts.tcp(Listener{Service: "imap", PlaintextAuth: true}), until: time.Now().Add(length)}
	run.done.Add(clients)
	seed := rand.Uint64()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { run.client(i, seed) })
	}
	wg.Wait()
	problems, err := ts.account.CheckDeep(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("store: %v", p)
	}
	if *ts.panics != 0 {
		t.Errorf("%d panics", *ts.panics)
	}
	t.Logf("seed %d: %d clients, %d commands, %d resynchronizations, %v", seed, clients, run.commands.Load(), run.resyncs.Load(), length)
}
