package jmapserver

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/jmap"
	"mox/store"
)

// client is a JMAP client that keeps copies of everything by /changes and /queryChanges.
type client struct {
	*tester
	r       *rand.Rand
	states  map[string]string                     // by type
	objects map[string]map[jmap.ID]map[string]any // by type
	queries map[string]*clientQuery               // by arguments
}

type clientQuery struct {
	state string
	ids   []jmap.ID
}

var modelProperties = map[string]string{
	"Email": `["id", "threadId", "mailboxIds", "keywords", "receivedAt", "size", "subject"]`, "Thread": "null", "Mailbox": "null",
}

var modelQueries = []string{
	`"filter": {"inMailbox": "F1"}, "sort": [{"property": "receivedAt", "isAscending": false}], "collapseThreads": true`,
	`"filter": {"inMailbox": "F1", "notKeyword": "$seen"}`,
	`"filter": {"operator": "OR", "conditions": [{"hasKeyword": "$flagged"}, {"operator": "NOT", "conditions": [{"inMailbox": "F1"}, {"hasKeyword": "own"}]}]}, "sort": [{"property": "size"}, {"property": "subject", "isAscending": false}]`,
	`"filter": {"someInThreadHaveKeyword": "$flagged", "inMailboxOtherThan": ["F4"]}, "sort": [{"property": "allInThreadHaveKeyword", "keyword": "$seen"}]`,
	`"filter": {"noneInThreadHaveKeyword": "own", "maxSize": 260}, "collapseThreads": true, "sort": [{"property": "hasKeyword", "keyword": "$seen"}, {"property": "sentAt"}]`,
	`"filter": {"allInThreadHaveKeyword": "$seen"}, "sort": [{"property": "from", "collation": "i;ascii-casemap"}, {"property": "to"}]`,
	`"filter": {"after": "2023-11-14T22:13:40Z", "before": "2023-11-14T22:14:30Z"}, "sort": [{"property": "someInThreadHaveKeyword", "keyword": "own", "isAscending": false}, {"property": "receivedAt"}]`,
}

// all gets every object of a type.
func (c *client) all(typ string) (map[jmap.ID]map[string]any, string) {
	c.Helper()
	var res struct {
		State string
		List  []map[string]any
	}
	c.call(typ+"/get", `{"ids": null, "properties": `+modelProperties[typ]+`}`, &res)
	all := map[jmap.ID]map[string]any{}
	for _, o := range res.List {
		all[jmap.ID(o["id"].(string))] = o
	}
	return all, res.State
}

// sync brings a type up to date by changes.
func (c *client) sync(typ string) {
	c.Helper()
	for {
		args := fmt.Sprintf(`{"sinceState": %q}`, c.states[typ])
		if c.r.IntN(2) == 0 {
			args = fmt.Sprintf(`{"sinceState": %q, "maxChanges": %d}`, c.states[typ], 1+c.r.IntN(5))
		}
		in := c.one(typ+"/changes", args)
		var res struct {
			NewState                    string
			HasMoreChanges              bool
			Created, Updated, Destroyed []jmap.ID
			UpdatedProperties           []string
		}
		if err := json.Unmarshal(in.Args, &res); err != nil || in.Name == "error" {
			c.Fatalf("%s/changes %s: %s", typ, args, in.Args)
		}
		props := modelProperties[typ]
		if res.UpdatedProperties != nil {
			b, _ := json.Marshal(res.UpdatedProperties)
			props = string(b)
		}
		c.fetch(typ, res.Created, modelProperties[typ])
		// As clients do, what is not known is not fetched for being updated.
		known := slices.DeleteFunc(res.Updated, func(id jmap.ID) bool { return c.objects[typ][id] == nil })
		c.fetch(typ, known, props)
		for _, id := range res.Destroyed {
			delete(c.objects[typ], id)
		}
		if res.NewState == c.states[typ] && res.HasMoreChanges {
			c.Fatalf("%s/changes %s goes nowhere", typ, args)
		}
		if c.states[typ] = res.NewState; !res.HasMoreChanges {
			return
		}
	}
}

func (c *client) fetch(typ string, ids []jmap.ID, props string) {
	c.Helper()
	if len(ids) == 0 {
		return
	}
	b, _ := json.Marshal(ids)
	var res struct{ List []map[string]any }
	c.call(typ+"/get", fmt.Sprintf(`{"ids": %s, "properties": %s}`, b, props), &res)
	for _, o := range res.List {
		id := jmap.ID(o["id"].(string))
		if c.objects[typ][id] == nil {
			if props != modelProperties[typ] {
				c.Errorf("%s %s: only counts of what is not known", typ, id)
			}
			c.objects[typ][id] = map[string]any{}
		}
		for k, v := range o {
			c.objects[typ][id][k] = v
		}
	}
}

// check compares everything with what the server has.
func (c *client) check() {
	c.Helper()
	for typ := range modelProperties {
		c.sync(typ)
		all, state := c.all(typ)
		if d := cmp.Diff(all, c.objects[typ]); d != "" || state != c.states[typ] {
			c.Fatalf("%s by changes differs, state %s: %s", typ, c.states[typ], d)
		}
	}
	c.checkCounts()
	for _, args := range modelQueries {
		var res struct {
			QueryState          string
			CanCalculateChanges bool
			IDs                 []jmap.ID `json:"ids"`
			Total               int
		}
		c.call("Email/query", `{`+args+`, "calculateTotal": true}`, &res)
		if want := c.naive(args); !slices.Equal(slices.Sorted(slices.Values(res.IDs)), want) && !strings.Contains(args, "collapse") {
			c.Fatalf("query %s: got %v, want %v", args, res.IDs, want)
		}
		if res.Total != len(res.IDs) || !res.CanCalculateChanges {
			c.Fatalf("query %s: %+v", args, res)
		}
		if q := c.queries[args]; q != nil {
			if got := c.changed(args, q); !slices.Equal(got, res.IDs) {
				c.Fatalf("changes of query %s: got %v, want %v", args, got, res.IDs)
			}
		}
		c.queries[args] = &clientQuery{res.QueryState, res.IDs}
	}
}

// changed applies queryChanges to old results.
func (c *client) changed(args string, q *clientQuery) []jmap.ID {
	c.Helper()
	var res struct {
		Removed []jmap.ID
		Added   []jmap.AddedItem
	}
	c.call("Email/queryChanges", fmt.Sprintf(`{%s, "sinceQueryState": %q}`, args, q.state), &res)
	ids := slices.DeleteFunc(slices.Clone(q.ids), func(id jmap.ID) bool { return slices.Contains(res.Removed, id) })
	for _, a := range res.Added {
		if a.Index > len(ids) {
			c.Fatalf("query %s: added at %d of %d", args, a.Index, len(ids))
		}
		ids = slices.Insert(ids, a.Index, a.ID)
	}
	return ids
}

// naive are the Emails that match by what Email/get says of all, sorted.
func (c *client) naive(args string) []jmap.ID {
	var q struct{ Filter any }
	if err := json.Unmarshal([]byte("{"+args+"}"), &q); err != nil {
		c.Fatal(err)
	}
	ids := []jmap.ID{}
	for id, o := range c.objects["Email"] {
		if c.matches(o, q.Filter.(map[string]any)) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (c *client) matches(o, filter map[string]any) bool {
	if op, ok := filter["operator"]; ok {
		n := 0
		list := filter["conditions"].([]any)
		for _, sub := range list {
			if c.matches(o, sub.(map[string]any)) {
				n++
			}
		}
		return map[string]bool{"AND": n == len(list), "OR": n > 0, "NOT": n == 0}[op.(string)]
	}
	has := func(o map[string]any, k any) bool { return o["keywords"].(map[string]any)[k.(string)] == true }
	boxes := o["mailboxIds"].(map[string]any)
	inThread := func(k any) (n, all int) {
		for _, e := range c.objects["Email"] {
			if e["threadId"] == o["threadId"] {
				all++
				if has(e, k) {
					n++
				}
			}
		}
		return n, all
	}
	for k, v := range filter {
		ok := false
		switch k {
		case "inMailbox":
			ok = boxes[v.(string)] == true
		case "inMailboxOtherThan":
			for b := range boxes {
				ok = ok || !slices.Contains(v.([]any), any(b))
			}
		case "hasKeyword":
			ok = has(o, v)
		case "notKeyword":
			ok = !has(o, v)
		case "allInThreadHaveKeyword":
			n, all := inThread(v)
			ok = n == all
		case "someInThreadHaveKeyword":
			n, _ := inThread(v)
			ok = n > 0
		case "noneInThreadHaveKeyword":
			n, _ := inThread(v)
			ok = n == 0
		case "before":
			ok = o["receivedAt"].(string) < v.(string)
		case "after":
			ok = o["receivedAt"].(string) >= v.(string)
		case "maxSize":
			ok = o["size"].(float64) < v.(float64)
		}
		if !ok {
			return false
		}
	}
	return true
}

// checkCounts computes the counts of mailboxes by RFC 8621 2.
func (c *client) checkCounts() {
	c.Helper()
	for id, box := range c.objects["Mailbox"] {
		emails, unread := 0, 0
		threads, unreadThreads := map[any]bool{}, map[any]bool{}
		for _, e := range c.objects["Email"] {
			k := e["keywords"].(map[string]any)
			if e["mailboxIds"].(map[string]any)[string(id)] != true {
				continue
			}
			emails++
			threads[e["threadId"]] = true
			if k["$seen"] != true && k["$draft"] != true {
				unread++
			}
		}
		for _, e := range c.objects["Email"] {
			k, boxes := e["keywords"].(map[string]any), e["mailboxIds"].(map[string]any)
			var inTrash bool
			for b := range boxes {
				inTrash = inTrash || c.objects["Mailbox"][jmap.ID(b)]["role"] == "trash"
			}
			counts := !inTrash || len(boxes) > 1
			if box["role"] == "trash" {
				counts = inTrash
			}
			if k["$seen"] != true && k["$draft"] != true && counts && threads[e["threadId"]] {
				unreadThreads[e["threadId"]] = true
			}
		}
		got := fmt.Sprint(box["totalEmails"], box["unreadEmails"], box["totalThreads"], box["unreadThreads"])
		if want := fmt.Sprint(emails, unread, len(threads), len(unreadThreads)); got != want {
			c.Fatalf("mailbox %v: counts %s, want %s", box["name"], got, want)
		}
	}
}

// step does something at random as IMAP and delivery do.
func (c *client) step(n int) {
	c.Helper()
	ctx := c.Context()
	boxes := c.acc.Mailboxes()
	box := boxes[c.r.IntN(len(boxes))]
	other := boxes[c.r.IntN(len(boxes))]
	from := store.UID(1 + c.r.IntN(int(box.UIDNext)))
	set := store.UIDSet{{Start: from, End: from + store.UID(c.r.IntN(4))}}
	var err error
	switch c.r.IntN(11) {
	case 0, 1, 2:
		// Some come again, with the same content.
		k := c.r.IntN(40)
		refs := ""
		if k > 8 {
			refs = fmt.Sprintf("References: <%d@x.example>\n", k%8)
		}
		c.add(box.Name, fmt.Sprintf("Message-ID: <%d@x.example>\n%sFrom: %c <a@x.example>\nTo: %c@x.example\nSubject: Re: s%d\nDate: Mon, 2 Jan 2006 15:04:%02d +0000\n\n%s\n",
			k, refs, 'a'+rune(k%5), 'A'+rune(k%7), k%8, k, strings.Repeat("x", k)),
			store.NewMessage{Flags: store.Flags(c.r.IntN(32)) &^ store.FlagDeleted, Received: time.Unix(1700000000+int64(k*3), 0)})
	case 3, 4, 5:
		change := store.FlagChange{Op: store.FlagOp(c.r.IntN(3)), Flags: []store.Flags{store.FlagSeen, store.FlagFlagged, store.FlagDraft, store.FlagDeleted}[c.r.IntN(4)]}
		if c.r.IntN(3) == 0 {
			change.Keywords = []string{"Own"}
		}
		_, err = c.acc.SetFlags(ctx, box.ID, set, change)
	case 6:
		_, err = c.acc.Move(ctx, box.ID, set, other.ID)
	case 7:
		_, err = c.acc.Copy(ctx, box.ID, set, other.ID)
	case 8:
		_, _, err = c.acc.Remove(ctx, box.ID, set)
	case 9:
		_, err = c.acc.CreateMailbox(ctx, fmt.Sprintf("%s/n%d", other.Name, c.r.Int()), 0)
		if other.Name == store.Inbox || strings.Count(other.Name, "/") > 3 {
			err = nil
		}
	case 10:
		switch {
		case box.Name == store.Inbox || box.SpecialUse != 0 || c.acc.HasChildren(box.Name):
			err = c.acc.Subscribe(ctx, box.Name, c.r.IntN(2) == 0)
		case c.r.IntN(2) == 0:
			err = c.acc.DeleteMailbox(ctx, box.Name)
		default:
			err = c.acc.RenameMailbox(ctx, box.Name, fmt.Sprintf("r%d/s%d", n, c.r.Int()))
		}
	}
	if err != nil {
		c.Fatal(err)
	}
}

// TestModel: what clients make of changes is what the server has, and queries are what a naive look at all Emails finds.
func TestModel(t *testing.T) {
	for _, seed := range []uint64{0, 1, 2, 34, 44} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := &client{newTester(t), rand.New(rand.NewPCG(seed, 1)), map[string]string{}, map[string]map[jmap.ID]map[string]any{}, map[string]*clientQuery{}}
			for typ := range modelProperties {
				c.objects[typ], c.states[typ] = c.all(typ)
			}
			for n := range 60 {
				for range 1 + c.r.IntN(6) {
					c.step(n)
				}
				if c.r.IntN(20) == 0 {
					// What is in memory is made anew.
					c.server.mails = &mailsCache{accounts: map[string]*mailsEntry{}}
				}
				c.check()
			}
		})
	}
}
