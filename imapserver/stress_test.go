package imapserver

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/store"
)

// model is what a client believes about the selected mailbox, from responses alone.
type model struct {
	t    testing.TB
	name string
	uids []uint32 // 0: not known yet
	// flags by UID, sorted and joined; absent: not known.
	flags map[uint32]string
	// inFetch: an EXPUNGE now would be against RFC 9051 7.5.1.
	noExpunge bool
	also      func(r imap.Response) // looks at each response after the model has changed; nil for none
}

func (m *model) on(r imap.Response) {
	if m.also != nil {
		defer m.also(r)
	}
	switch r := r.(type) {
	case *imap.NumberResponse:
		if r.Name != "EXISTS" {
			return
		}
		if int(r.N) < len(m.uids) {
			m.t.Errorf("%s: EXISTS %d with %d known", m.name, r.N, len(m.uids))
		}
		for len(m.uids) < int(r.N) {
			m.uids = append(m.uids, 0)
		}
	case *imap.Expunge:
		if m.noExpunge {
			m.t.Errorf("%s: EXPUNGE during FETCH, STORE or SEARCH", m.name)
		}
		if r.Seq == 0 || int(r.Seq) > len(m.uids) {
			m.t.Errorf("%s: EXPUNGE %d of %d", m.name, r.Seq, len(m.uids))
			return
		}
		m.uids = slices.Delete(m.uids, int(r.Seq)-1, int(r.Seq))
	case *imap.Vanished:
		if m.noExpunge {
			m.t.Errorf("%s: VANISHED during FETCH, STORE or SEARCH", m.name)
		}
		for _, rg := range r.UIDs.Ranges {
			for u := rg.Start; u <= rg.Stop; u++ {
				m.vanished(u)
			}
		}
	case *imap.FetchResponse:
		m.onFetch(r)
	}
}

// vanished removes a message by its UID: one that is known, or one that is not known
// yet between known neighbours, since UIDs ascend.
func (m *model) vanished(u uint32) {
	unknown := -1
	for i, v := range m.uids {
		switch {
		case v == u:
			m.uids = slices.Delete(m.uids, i, i+1)
			return
		case v == 0 && unknown < 0:
			unknown = i
		case v != 0 && v < u:
			unknown = -1
		}
		if v > u {
			break
		}
	}
	if unknown < 0 {
		m.t.Errorf("%s: VANISHED %d, which is not there", m.name, u)
		return
	}
	m.uids = slices.Delete(m.uids, unknown, unknown+1)
}

func (m *model) onFetch(r *imap.FetchResponse) {
	if r.Seq == 0 || int(r.Seq) > len(m.uids) {
		m.t.Errorf("%s: FETCH %d of %d", m.name, r.Seq, len(m.uids))
		return
	}
	i := r.Seq - 1
	if r.UID != 0 {
		if m.uids[i] != 0 && m.uids[i] != r.UID {
			m.t.Errorf("%s: message %d has UID %d, was %d", m.name, r.Seq, r.UID, m.uids[i])
		}
		m.uids[i] = r.UID
	}
	if r.Has[imap.FetchFlags] {
		slices.Sort(r.Flags)
		if m.uids[i] != 0 {
			m.flags[m.uids[i]] = strings.Join(r.Flags, " ")
		}
	}
}

// learn fetches UIDs of messages that are not known yet.
func (m *model) learn(ctx context.Context, c *imapclient.Client) error {
	if !slices.Contains(m.uids, 0) {
		return nil
	}
	m.noExpunge = true
	defer func() { m.noExpunge = false }()
	from := slices.Index(m.uids, 0) + 1
	return c.Fetch(ctx, false, fmt.Sprintf("%d:*", from), "(UID FLAGS)", func(f *imap.FetchResponse) error {
		m.on(f)
		return nil
	})
}

// stressClient runs random commands and keeps its model.
func stressClient(t testing.TB, addr, name string, seed uint64, rounds int, qresync bool, done *sync.WaitGroup) {
	finished := sync.OnceFunc(done.Done)
	defer finished()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := &model{t: t, name: name, flags: map[uint32]string{}}
	c, err := imapclient.Dial(ctx, addr, imapclient.Plain, nil, imapclient.Options{Unsolicited: m.on})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	check := func(what string, err error) bool {
		if ierr, ok := err.(*imap.Error); ok && ierr.Type == imap.NO && (ierr.Code == imap.CodeExpungeIssued || ierr.Code == imap.CodeTryCreate) {
			return true
		}
		if err != nil {
			t.Errorf("%s: %s: %v", name, what, err)
		}
		return err == nil
	}
	if !check("login", c.Login(ctx, testUser, testPassword)) {
		return
	}
	if qresync {
		if _, err := c.Enable(ctx, "QRESYNC"); !check("enable", err) {
			return
		}
	}
	sel, err := c.Select(ctx, "INBOX", "")
	if !check("select", err) {
		return
	}
	m.uids = make([]uint32, sel.Exists)
	for range rounds {
		if !check("learn", m.learn(ctx, c)) || t.Failed() {
			return
		}
		if !check("step", m.step(ctx, c, rnd)) {
			return
		}
	}
	// The last look is at a mailbox that nobody changes any more.
	finished()
	done.Wait()
	if !check("noop", c.Noop(ctx)) || !check("learn", m.learn(ctx, c)) {
		return
	}
	m.compare(ctx, c, check)
}

// step runs one random command.
func (m *model) step(ctx context.Context, c *imapclient.Client, rnd *rand.Rand) error {
	set := func() string {
		a, b := 1+rnd.IntN(len(m.uids)), 1+rnd.IntN(len(m.uids))
		if rnd.IntN(2) == 0 {
			b = min(a+rnd.IntN(3), len(m.uids))
		}
		return fmt.Sprintf("%d:%d", a, b)
	}
	op := rnd.IntN(13)
	if len(m.uids) < 20 {
		op = 0
	}
	flags := []string{`\Seen`, `\Flagged`, `\Answered`, "kw1", "kw2"}
	flag := flags[rnd.IntN(len(flags))]
	switch op {
	case 0:
		n := 1 + rnd.IntN(5)
		var msgs []imapclient.AppendMessage
		for i := range n {
			text := strings.ReplaceAll(smallMessage(i), "\n", "\r\n")
			msgs = append(msgs, imapclient.AppendMessage{Size: int64(len(text)), Data: strings.NewReader(text)})
		}
		_, err := c.Append(ctx, "INBOX", msgs...)
		return err
	case 1:
		return c.Noop(ctx)
	case 2, 3:
		m.noExpunge = true
		defer func() { m.noExpunge = false }()
		return c.Fetch(ctx, false, set(), "(UID FLAGS ENVELOPE)", func(f *imap.FetchResponse) error { m.on(f); return nil })
	case 4, 5:
		m.noExpunge = true
		defer func() { m.noExpunge = false }()
		_, err := c.Store(ctx, false, set(), []string{"+FLAGS", "-FLAGS"}[rnd.IntN(2)]+" ("+flag+")")
		return err
	case 6:
		uid := m.uids[rnd.IntN(len(m.uids))]
		_, err := c.Store(ctx, true, fmt.Sprint(uid), `FLAGS (`+flag+`)`)
		return err
	case 7:
		uid := m.uids[rnd.IntN(len(m.uids))]
		if _, err := c.Store(ctx, true, fmt.Sprint(uid), `+FLAGS (\Deleted)`); err != nil {
			return err
		}
		return c.Expunge(ctx, "")
	case 8:
		uid := m.uids[rnd.IntN(len(m.uids))]
		_, err := c.Move(ctx, true, fmt.Sprint(uid), "Archive")
		return err
	case 11:
		m.noExpunge = true
		defer func() { m.noExpunge = false }()
		_, err := c.Store(ctx, false, set(), fmt.Sprintf(`ANNOTATION (/comment (value.priv "%d"))`, rnd.IntN(5)))
		return err
	case 9:
		_, err := c.Copy(ctx, false, set(), "Archive")
		return err
	case 10:
		m.noExpunge = true
		defer func() { m.noExpunge = false }()
		res, err := c.Search(ctx, false, "", "FLAGGED")
		if err == nil && len(res.Numbers) > 0 && int(res.Numbers[len(res.Numbers)-1].Stop) > len(m.uids) {
			m.t.Errorf("%s: SEARCH found %v of %d", m.name, res.Numbers, len(m.uids))
		}
		return err
	default:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(3))*time.Millisecond)
		defer cancel()
		return c.Idle(ctx, func(r imap.Response) bool { m.on(r); return true })
	}
}

// compare checks the model against the server.
func (m *model) compare(ctx context.Context, c *imapclient.Client, check func(string, error) bool) {
	known := maps.Clone(m.flags)
	uids := slices.Clone(m.uids)
	i := 0
	ok := check("fetch", c.Fetch(ctx, false, "1:*", "(UID FLAGS)", func(f *imap.FetchResponse) error {
		slices.Sort(f.Flags)
		got := strings.Join(f.Flags, " ")
		if i < len(uids) && uids[i] == f.UID {
			if was, ok := known[f.UID]; !ok || was != got {
				m.t.Errorf("%s: message %d has flags %q, model %q", m.name, f.UID, got, was)
			}
		} else {
			m.t.Errorf("%s: message %d is UID %d, model %v", m.name, f.Seq, f.UID, uids[min(i, len(uids)-1)])
		}
		i++
		return nil
	}))
	if ok && i != len(uids) {
		m.t.Errorf("%s: %d messages, model %d", m.name, i, len(uids))
	}
}

// TestStress runs several clients on one mailbox; the model of each, built from
// responses alone, must be what the server has.
func TestStress(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	ts := newTestServer(t, testOptions{})
	for i := range 50 {
		ts.add("Inbox", smallMessage(i), store.Flags(i%8))
	}
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	var wg, done sync.WaitGroup
	done.Add(6)
	for i := range 6 {
		wg.Go(func() {
			stressClient(t, addr, fmt.Sprintf("client %d", i), rand.Uint64(), rounds, i%2 == 1, &done)
		})
	}
	wg.Wait()
}

// TestPipelining sends many commands at once.
func TestPipelining(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ts.add("Inbox", smallMessage(1), 0)
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var in bytes.Buffer
	in.WriteString("a LOGIN \"" + testUser + "\" \"te\\\"st p\\\\ss\"\r\nb SELECT INBOX\r\n")
	const n = 5000
	for i := range n {
		fmt.Fprintf(&in, "c%d FETCH 1 (FLAGS UID)\r\n", i)
	}
	in.WriteString("d LOGOUT\r\n")
	go nc.Write(in.Bytes())
	var out bytes.Buffer
	if _, err := out.ReadFrom(nc); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "OK done\r\n"); got != n {
		t.Errorf("%d commands were answered, want %d", got, n)
	}
	if !strings.HasSuffix(out.String(), "d OK bye\r\n") {
		t.Errorf("no answer to LOGOUT")
	}
}
