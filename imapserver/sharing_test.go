package imapserver

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/imap"
	"mox/store"
)

// testUsers are accounts besides mjl that log in with the same password, in the domain
// mox.example.
var testUsers = map[string]bool{"fred": true, "chris": true, "david": true}

// testSharing knows the test users, of whom chris and david are the group $team.
type testSharing struct {
	mu        sync.Mutex
	forbidden string
}

func (x *testSharing) forbid(account string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forbidden = account
}

func (x *testSharing) known(account string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return (testUsers[account] || account == "mjl") && account != x.forbidden
}

func (x *testSharing) Identifiers(account string) []string {
	switch {
	case !x.known(account):
		return nil
	case account == "chris" || account == "david":
		return []string{account, "$team"}
	}
	return []string{account}
}

func (x *testSharing) Identify(owner, name string) (string, bool) {
	if name == "$team" {
		return name, true
	}
	name = strings.TrimSuffix(name, "@mox.example")
	return name, x.known(name)
}

func (x *testSharing) Allowed(owner, user string) bool { return x.known(owner) && x.known(user) }

func (ts *testServer) createUsers() {
	ts.t.Helper()
	for name := range testUsers {
		if err := ts.store.Create(context.Background(), name, store.InitialMailboxes{}); err != nil {
			ts.t.Fatal(err)
		}
	}
}

// withAccount calls f with an account.
func (ts *testServer) withAccount(name string, f func(a *store.Account)) {
	ts.t.Helper()
	a, err := ts.store.Account(context.Background(), name)
	if err != nil {
		ts.t.Fatal(err)
	}
	defer a.Release()
	f(a)
}

func (ts *testServer) checkUsers() {
	ts.t.Helper()
	names, err := ts.store.Names()
	if err != nil {
		ts.t.Fatal(err)
	}
	for _, name := range names {
		ts.withAccount(name, func(a *store.Account) {
			problems, err := a.Check(context.Background())
			if err != nil || len(problems) > 0 {
				ts.t.Errorf("check of %s: %v %v", name, err, problems)
			}
		})
	}
}

// setACL gives an identifier exactly these rights.
func (ts *testServer) setACL(account, mailbox, identifier, rights string) {
	ts.t.Helper()
	r, err := imap.ParseRights(rights)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.withAccount(account, func(a *store.Account) {
		mb, ok := a.MailboxByName(mailbox)
		if !ok {
			ts.t.Fatalf("no mailbox %s", mailbox)
		}
		if err := a.SetACL(context.Background(), mb.ID, identifier, imap.RightsReplace, r); err != nil {
			ts.t.Fatal(err)
		}
	})
}

// user logs in.
func (ts *testServer) user(name string) *lineClient {
	ts.t.Helper()
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		ts.t.Fatal(err)
	}
	c := newLineClient(ts.t, nc)
	c.ok(`LOGIN ` + name + `@mox.example "te\"st p\\ss"`)
	return c
}

// mailboxes for TestRights: in mjl's account.
const (
	sharedBox  = "Shared"
	sharedName = "Other Users/mjl/Shared"
)

// rightsCase is a command of chris about the mailbox Shared of mjl, which has three messages.
type rightsCase struct {
	name     string
	before   []string // as chris, with all rights
	selected bool     // the mailbox is selected, with the right to read
	command  string
	literal  string
	need     imap.Rights
	hidden   string // response code without any rights; empty: NONEXISTENT
}

const rightsMessage = "Subject: x\r\n\r\nx\r\n"

var rightsCases = []rightsCase{
	{name: "select", command: "SELECT %", need: imap.RightRead},
	{name: "examine", command: "EXAMINE %", need: imap.RightRead},
	{name: "status", command: "STATUS % (MESSAGES)", need: imap.RightRead},
	{name: "append", command: "APPEND % {18+}", literal: rightsMessage, need: imap.RightInsert},
	{name: "getquotaroot", command: "GETQUOTAROOT %", need: imap.RightRead},
	{name: "create", command: "CREATE %/new", need: imap.RightCreate, hidden: "NOPERM"},
	{name: "delete", command: "DELETE %", need: imap.RightDelete},
	{name: "rename", command: `RENAME % "Other Users/mjl/Parent/moved"`, need: imap.RightDelete},
	{name: "rename below", command: `RENAME "Other Users/mjl/Parent/child" %/child`, need: imap.RightCreate, hidden: "NOPERM"},
	{name: "setacl", command: "SETACL % david l", need: imap.RightAdmin},
	{name: "deleteacl", command: "DELETEACL % david", need: imap.RightAdmin},
	{name: "getacl", command: "GETACL %", need: imap.RightAdmin},
	{name: "listrights", command: "LISTRIGHTS % david", need: imap.RightAdmin},
	{name: "copy to", before: []string{"SELECT Archive"}, command: "COPY 1 %", need: imap.RightInsert},
	{name: "uid copy to", before: []string{"SELECT Archive"}, command: "UID COPY 1 %", need: imap.RightInsert},
	{name: "move to", before: []string{"SELECT Archive"}, command: "MOVE 1 %", need: imap.RightInsert},
	{name: "move from", selected: true, command: "MOVE 1 INBOX", need: imap.RightDeleteFlag | imap.RightExpunge},
	{name: "uid move from", selected: true, command: "UID MOVE 1 INBOX", need: imap.RightDeleteFlag | imap.RightExpunge},
	{name: "expunge", selected: true, command: "EXPUNGE", need: imap.RightExpunge},
	{name: "uid expunge", selected: true, command: "UID EXPUNGE 1:*", need: imap.RightExpunge},
	{name: "store seen", selected: true, command: `STORE 1 +FLAGS (\Seen)`, need: imap.RightSeen},
	{name: "store deleted", selected: true, command: `STORE 1 +FLAGS (\Deleted)`, need: imap.RightDeleteFlag},
	{name: "store flagged", selected: true, command: `UID STORE 1 +FLAGS (\Flagged)`, need: imap.RightWrite},
	{name: "store keyword", selected: true, command: `STORE 1 +FLAGS (Later)`, need: imap.RightWrite},
	{name: "replace to", before: []string{"SELECT Archive"}, command: "REPLACE 1 % {18+}", literal: rightsMessage, need: imap.RightInsert},
	{name: "replace from", selected: true, command: "UID REPLACE 1 INBOX {18+}", literal: rightsMessage, need: imap.RightDeleteFlag | imap.RightExpunge},
	{name: "store junk", selected: true, command: `STORE 1 FLAGS ($Junk)`, need: imap.RightWrite},
}

// TestRights runs each command with exactly the rights that it needs, without each one of
// them, and without any.
func TestRights(t *testing.T) {
	for _, tc := range rightsCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, testOptions{sharing: true})
			base := imap.RightLookup
			if tc.selected {
				base |= imap.RightRead
			}
			// First what is refused, so that the mailbox is as it was.
			for i := range 11 {
				missing := imap.Rights(1) << i
				if tc.need&missing == 0 {
					continue
				}
				tc.run(ts, imap.RightsAll&^missing, "NO [NOPERM]")
				if tc.selected {
					continue
				}
				hidden := tc.hidden
				if hidden == "" {
					hidden = "NONEXISTENT"
				}
				tc.run(ts, imap.RightsAll&^(missing|imap.RightLookup), "NO ["+hidden+"]")
				tc.run(ts, 0, "NO ["+hidden+"]")
			}
			tc.run(ts, base|tc.need, "OK ")
		})
	}
}

func (tc *rightsCase) run(ts *testServer, rights imap.Rights, want string) {
	ts.t.Helper()
	tc.prepare(ts)
	ts.setACL("mjl", sharedBox, "chris", rights.Letters())
	c := ts.user("chris")
	defer c.close()
	for _, cmd := range tc.before {
		c.ok(cmd)
	}
	if tc.selected {
		c.ok(`SELECT "` + sharedName + `"`)
	}
	cmd := strings.ReplaceAll(tc.command, "%/", `"`+sharedName+`/`)
	if cmd != tc.command {
		cmd += `"`
	}
	cmd = strings.ReplaceAll(cmd, "%", `"`+sharedName+`"`)
	if tc.literal != "" {
		cmd += "\r\n" + tc.literal
	}
	if _, got := c.do(cmd); !strings.HasPrefix(got, want) {
		ts.t.Errorf("%s with rights %s: %s, want %s", tc.command, rights, got, want)
	}
}

// prepare makes the mailboxes where they are missing, and fills them.
func (tc *rightsCase) prepare(ts *testServer) {
	ts.t.Helper()
	ctx := context.Background()
	if _, ok := ts.account.MailboxByName(sharedBox); ok {
		return
	}
	ts.add(sharedBox, smallMessage(1), 0)
	ts.add("Parent/child", smallMessage(2), 0)
	ts.setACL("mjl", "Parent", "chris", "lk")
	ts.setACL("mjl", "Parent/child", "chris", "lx")
	ts.withAccount("chris", func(a *store.Account) {
		mb, _ := a.MailboxByName("Archive")
		sp := ts.store.NewSpool()
		defer sp.Close()
		sp.Write([]byte(rightsMessage))
		if err := sp.Finish(); err != nil {
			ts.t.Fatal(err)
		}
		if _, err := a.Add(ctx, mb.ID, []store.NewMessage{{Spool: sp}}); err != nil {
			ts.t.Fatal(err)
		}
	})
}

// TestHidden: RFC 4314 6: to somebody without rights, a mailbox is not different from one
// that does not exist, whatever they ask.
func TestHidden(t *testing.T) {
	ts := newTestServer(t, testOptions{sharing: true})
	tc := &rightsCase{}
	tc.prepare(ts)
	ts.setACL("mjl", sharedBox, "david", "lr") // mjl shares, but not this
	ts.setACL("chris", "Inbox", "anyone", "lr")
	c := ts.user("chris")
	defer c.close()
	c.ok("SELECT Archive")
	for _, cmd := range []string{
		"SELECT %", "EXAMINE %", "STATUS % (MESSAGES)", "DELETE %", `RENAME % "Other Users/mjl/y"`, "GETACL %", "SETACL % chris lr",
		"DELETEACL % david", "LISTRIGHTS % david", "MYRIGHTS %", "GETQUOTAROOT %", "COPY 1 %", "MOVE 1 %", "UID COPY 1 %",
		`LIST "" %`, `LIST (SUBSCRIBED) "" % RETURN (CHILDREN STATUS (MESSAGES))`, `LSUB "" %`, "CREATE %", "RENAME Trash %",
		"SUBSCRIBE %", "UNSUBSCRIBE %", "APPEND % {18+}\r\n" + rightsMessage,
	} {
		var answers [][]string
		for _, name := range []string{sharedName, "Other Users/mjl/Nothing", "Other Users/nobody/Shared", "Other Users/chris/INBOX"} {
			untagged, tagged := c.do(strings.ReplaceAll(cmd, "%", `"`+name+`"`))
			answer := append(untagged, tagged)
			for i := range answer {
				answer[i] = strings.ReplaceAll(answer[i], name, "NAME")
			}
			answers = append(answers, answer)
			c.do("SELECT Archive")
		}
		for _, a := range answers[1:] {
			if !slices.Equal(a, answers[0]) {
				t.Errorf("%s: %q for a mailbox that is hidden, %q for none", cmd, answers[0], a)
			}
		}
	}
}

// TestAccessEnds: a session does not outlive what allows it to read the mailbox of another
// user: not in IDLE, nor between commands.
func TestAccessEnds(t *testing.T) {
	for name, end := range map[string]func(ts *testServer){
		"rights removed":  func(ts *testServer) { ts.setACL("fred", "Archive", "chris", "l") },
		"negative rights": func(ts *testServer) { ts.setACL("fred", "Archive", "-$team", "r") },
		"owner forbidden": func(ts *testServer) { ts.sharing.forbid("fred"); ts.Recheck() },
		"user forbidden":  func(ts *testServer) { ts.sharing.forbid("chris"); ts.Recheck() },
		"owner removed": func(ts *testServer) {
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				ts.Disconnect("fred")
				err := ts.store.Remove(context.Background(), "fred")
				if err == nil {
					return
				}
				if time.Now().After(end) {
					ts.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t, testOptions{sharing: true})
			ts.setACL("fred", "Archive", "chris", "lrswite")
			idle, busy, other := ts.user("chris"), ts.user("chris"), ts.user("chris")
			defer idle.close()
			defer busy.close()
			defer other.close()
			for _, c := range []*lineClient{idle, busy} {
				c.ok(`SELECT "Other Users/fred/Archive"`)
			}
			other.ok("SELECT INBOX")
			idle.nc.Write([]byte("i IDLE\r\n"))
			if l := idle.line(); !strings.HasPrefix(l, "+") {
				t.Fatal(l)
			}
			var ended sync.WaitGroup
			ended.Go(func() { end(ts) })
			if l := idle.line(); !strings.HasPrefix(l, "* BYE") {
				t.Errorf("idle: %s", l)
			}
			if name == "owner removed" {
				if l := busy.line(); !strings.HasPrefix(l, "* BYE") {
					t.Errorf("waiting: %s", l)
				}
			}
			ended.Wait()
			if name != "owner removed" {
				if _, got := busy.do("FETCH 1:* BODY[]"); !strings.HasPrefix(got, "BYE [NOPERM]") {
					t.Errorf("command: %s", got)
				}
			}
			// Of one's own mail nothing is lost.
			other.ok("NOOP")
			other.ok(`LIST "" *`)
			if _, got := other.do(`SELECT "Other Users/fred/Archive"`); !strings.HasPrefix(got, "NO [NONEXISTENT]") && name != "rights removed" && name != "negative rights" {
				t.Errorf("select: %s", got)
			}
		})
	}
}

// TestLeaving: who may no longer read the selected mailbox can leave it, and nothing of it
// is shown.
func TestLeaving(t *testing.T) {
	ts := newTestServer(t, testOptions{sharing: true})
	for _, cmd := range []string{"UNSELECT", "SELECT INBOX", "EXAMINE INBOX", "LOGOUT"} {
		ts.setACL("mjl", "Archive", "fred", "lre")
		c := ts.user("fred")
		c.ok(`SELECT "Other Users/mjl/Archive"`)
		ts.setACL("mjl", "Archive", "fred", "l")
		ts.add("Archive", smallMessage(1), 0)
		untagged, tagged := c.do(cmd)
		if cmd != "LOGOUT" && !strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s: %s", cmd, tagged)
		}
		if i := slices.IndexFunc(untagged, func(l string) bool { return strings.HasSuffix(l, " EXISTS") }); i >= 0 && untagged[i] != "* 0 EXISTS" {
			t.Errorf("%s: %q", cmd, untagged)
		}
		c.close()
	}
}

// TestCrossAccounts copies and moves both ways between two accounts at the same time.
func TestCrossAccounts(t *testing.T) {
	ts := newTestServer(t, testOptions{sharing: true})
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	ts.setACL("fred", "Archive", "chris", "lrswipkxte")
	ts.setACL("chris", "Archive", "fred", "lrswipkxte")
	for i, name := range []string{"fred", "chris"} {
		ts.withAccount(name, func(a *store.Account) {
			for j := range 20 {
				ts.addTo(a, "Archive", smallMessage(100*i+j), 0)
			}
		})
	}
	var wg sync.WaitGroup
	for _, users := range [][2]string{{"fred", "chris"}, {"chris", "fred"}, {"fred", "chris"}, {"chris", "fred"}} {
		wg.Go(func() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			c := newLineClient(t, nc)
			defer c.close()
			c.ok(`LOGIN ` + users[0] + `@mox.example "te\"st p\\ss"`)
			theirs := `"Other Users/` + users[1] + `/Archive"`
			for i := range 10 {
				from, to := "Archive", theirs
				if i%2 == 1 {
					from, to = theirs, "Archive"
				}
				c.ok("SELECT " + from)
				c.do("MOVE 1:3 " + to)
				c.do("UID COPY 1:5 " + to)
				c.do(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
			}
		})
	}
	wg.Wait()
	// None of the forty messages is lost.
	seen := map[string]bool{}
	for _, name := range []string{"fred", "chris"} {
		c := ts.user(name)
		c.ok("SELECT Archive")
		for _, l := range c.ok("FETCH 1:* ENVELOPE") {
			if _, subject, ok := strings.Cut(l, `"message `); ok {
				seen[strings.SplitN(subject, `"`, 2)[0]] = true
			}
		}
		c.close()
	}
	if len(seen) != 40 {
		t.Errorf("%d different messages are left of 40", len(seen))
	}
}

// TestCrossQuota: the quota is that of who has the mailbox, and a copy that does not fit
// leaves nothing.
func TestCrossQuota(t *testing.T) {
	ts := newTestServer(t, testOptions{sharing: true})
	ts.setACL("mjl", "Archive", "chris", "lrswite")
	ts.withAccount("chris", func(a *store.Account) {
		for i := range 5 {
			ts.addTo(a, "Archive", smallMessage(i), 0)
		}
	})
	ts.account.SetQuota(500)
	c := ts.user("chris")
	defer c.close()
	c.ok("SELECT Archive")
	for _, cmd := range []string{`COPY 1:5 "Other Users/mjl/Archive"`, `MOVE 1:5 "Other Users/mjl/Archive"`} {
		if _, got := c.do(cmd); !strings.HasPrefix(got, "NO [OVERQUOTA]") {
			t.Errorf("%s: %s", cmd, got)
		}
	}
	if mb, _ := ts.account.MailboxByName("Archive"); mb.Messages != 0 {
		t.Errorf("%d messages", mb.Messages)
	}
	ts.account.SetQuota(0)
	c.ok(`MOVE 1:5 "Other Users/mjl/Archive"`)
	if mb, _ := ts.account.MailboxByName("Archive"); mb.Messages != 5 {
		t.Errorf("%d messages", mb.Messages)
	}
}

// TestSelectedShared: what is done in a selected mailbox of another account is done there,
// not in a mailbox of one's own that has the same numbers.
func TestSelectedShared(t *testing.T) {
	ts := newTestServer(t, testOptions{sharing: true})
	for i := range 3 {
		ts.add("Archive", strings.Replace(smallMessage(i), "Hello", "theirs", 1), 0, "Theirs")
	}
	ts.withAccount("chris", func(a *store.Account) {
		for i := range 3 {
			ts.addTo(a, "Archive", strings.Replace(smallMessage(i+50), "Hello", "mine", 1), store.FlagDeleted)
		}
	})
	ts.setACL("mjl", "Archive", "chris", "lrswite")
	c := ts.user("chris")
	defer c.close()
	c.ok("ENABLE QRESYNC")
	c.ok(`SELECT "Other Users/mjl/Archive" (QRESYNC (1 1))`)
	for _, tc := range [][2]string{
		{"SEARCH BODY theirs", "* SEARCH 1 2 3"},
		{"SEARCH BODY mine", "* SEARCH"},
		{"SEARCH KEYWORD Theirs", "* SEARCH 1 2 3"},
		{"UID SEARCH RETURN (COUNT) 1:*", "COUNT 3"},
		{"FETCH 1 (BODY.PEEK[TEXT])", "theirs 0"},
		{"FETCH 2 (FLAGS)", "Theirs"},
		{"FETCH 2 (ENVELOPE PREVIEW)", "message 1"},
		{"FETCH 3 (BINARY.PEEK[1])", "theirs 2"},
		{`STORE 1 +FLAGS.SILENT (Mine)`, "MODSEQ"},
		{`STORE 1 +FLAGS (\Deleted)`, `\Deleted Theirs Mine`},
		{"UID FETCH 1:* (UID) (VANISHED CHANGEDSINCE 1)", "UID 3"},
	} {
		cmd, want := tc[0], tc[1]
		if got := strings.Join(c.ok(cmd), "\n"); !strings.Contains(strings.ReplaceAll(got, "Mine Theirs", "Theirs Mine"), want) {
			t.Errorf("%s: %s, want %s", cmd, got, want)
		}
	}
	c.ok("EXPUNGE")
	ts.withAccount("chris", func(a *store.Account) {
		if mb, _ := a.MailboxByName("Archive"); mb.Messages != 3 || mb.Deleted != 3 || mb.ModSeq == 0 {
			t.Errorf("own mailbox: %+v", mb)
		}
	})
	if mb, _ := ts.account.MailboxByName("Archive"); mb.Messages != 2 {
		t.Errorf("their mailbox: %+v", mb)
	}
}
