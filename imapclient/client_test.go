package imapclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/imap"
	"mox/sessiontest"
)

// play runs a transcript as the server of a client.
func play(t *testing.T, file string, run func(ctx context.Context, c *Client, got *[]imap.Response)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, client := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var got []imap.Response
		c, err := New(ctx, client, Options{Unsolicited: func(r imap.Response) { got = append(got, r) }})
		if err != nil {
			t.Errorf("new: %v", err)
			return
		}
		defer c.Close()
		run(ctx, c, &got)
	}()
	sessiontest.Run(t, file, sessiontest.Options{Client: true, Dial: func(string) (net.Conn, error) { return server, nil }})
	<-done
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestBasic(t *testing.T) {
	play(t, "testdata/session/basic.txt", func(ctx context.Context, c *Client, got *[]imap.Response) {
		must(t, "login", c.Login(ctx, "joe", "pass word"))
		if !c.Has("idle") || c.Has("MOVE") {
			t.Error("capabilities")
		}
		sel, err := c.Select(ctx, "INBOX", "")
		must(t, "select", err)
		want := &Selected{Exists: 2, UIDValidity: 7, UIDNext: 5, Flags: []string{`\Seen`}, PermanentFlags: []string{`\Seen`, `\*`}}
		if diff := cmp.Diff(want, sel); diff != "" {
			t.Error(diff)
		}
		var bodies []string
		must(t, "fetch", c.Fetch(ctx, true, "1:*", "(FLAGS BODY.PEEK[])", func(f *imap.FetchResponse) error {
			data, _ := f.Section("BODY[]")
			bodies = append(bodies, string(data))
			return nil
		}))
		if diff := cmp.Diff([]string{"a\r\n", "b"}, bodies); diff != "" {
			t.Error(diff)
		}
		uid, err := c.Append(ctx, "a b", AppendMessage{Flags: []string{`\Seen`}, Size: 4, Data: strings.NewReader("abcd")})
		must(t, "append", err)
		if uid != "9 5" {
			t.Errorf("appenduid %q", uid)
		}
		var ierr *imap.Error
		if err := c.Create(ctx, "ü"); !errors.As(err, &ierr) || ierr.Code != imap.CodeAlreadyExists {
			t.Errorf("create: %v", err)
		}
		res, err := c.Search(ctx, true, "", "UNSEEN")
		must(t, "search", err)
		if diff := cmp.Diff([]imap.NumRange{{Start: 1, Stop: 2}, {Start: 4, Stop: 4}}, res.Numbers); diff != "" {
			t.Error(diff)
		}
		must(t, "idle", c.Idle(ctx, func(r imap.Response) bool {
			n, ok := r.(*imap.NumberResponse)
			return !ok || n.N != 5
		}))
		must(t, "logout", c.Logout(ctx))
		exists := 0
		for _, r := range *got {
			if n, ok := r.(*imap.NumberResponse); ok && n.Name == "EXISTS" {
				exists++
			}
		}
		if exists != 2 {
			t.Errorf("%d unsolicited EXISTS", exists)
		}
	})
}

func TestRefused(t *testing.T) {
	play(t, "testdata/session/refused.txt", func(ctx context.Context, c *Client, _ *[]imap.Response) {
		_, err := c.Append(ctx, "x", AppendMessage{Size: 4, Data: strings.NewReader("abcd")})
		var ierr *imap.Error
		if !errors.As(err, &ierr) || ierr.Code != imap.CodeTryCreate {
			t.Errorf("append: %v", err)
		}
		if err := c.Noop(ctx); !errors.Is(err, ErrBye) {
			t.Errorf("noop: %v", err)
		}
	})
}

func TestExtensions(t *testing.T) {
	play(t, "testdata/session/extensions.txt", func(ctx context.Context, c *Client, got *[]imap.Response) {
		found, err := c.MultiSearch(ctx, `mailboxes "folder1" subtree "folder2"`, "RETURN (COUNT ALL) ", "unseen")
		must(t, "multisearch", err)
		if len(found) != 2 || found[0].Mailbox != "folder1" || found[0].Count != 3 || found[1].UIDValidity != 503 || len(found[1].All.Ranges) != 2 {
			t.Errorf("%+v", found)
		}
		batches, err := c.UIDBatches(ctx, 2000, "")
		must(t, "uidbatches", err)
		if diff := cmp.Diff([]imap.NumRange{{Start: 215295, Stop: 99696}, {Start: 99695, Stop: 20351}}, batches); diff != "" {
			t.Error(diff)
		}
		var ierr *imap.Error
		if _, err := c.UIDBatches(ctx, 2000, "2:3"); !errors.As(err, &ierr) || ierr.Code != "TOOFEW" {
			t.Error(err)
		}
		tags, err := c.Language(ctx, "FR-CA", "EN-CA")
		must(t, "language", err)
		all, err := c.Language(ctx)
		must(t, "languages", err)
		if diff := cmp.Diff([][]string{{"EN"}, {"EN", "DE", "i-default"}}, [][]string{tags, all}); diff != "" {
			t.Error(diff)
		}
		comparator, err := c.Comparator(ctx, "cz;*", "i;basic")
		must(t, "comparator", err)
		if comparator == nil || comparator.Active != "i;basic" {
			t.Errorf("%+v", comparator)
		}
		if _, err := c.Comparator(ctx); !errors.Is(err, ErrProtocol) {
			t.Error(err)
		}
		if len(*got) != 2 {
			t.Errorf("unsolicited: %v", *got)
		}
	})
}

// TestLimited: a server does a part of what it is asked for, and the client asks for the rest.
func TestLimited(t *testing.T) {
	play(t, "testdata/session/limited.txt", func(ctx context.Context, c *Client, _ *[]imap.Response) {
		var uids []uint32
		on := func(f *imap.FetchResponse) error {
			uids = append(uids, f.UID)
			return nil
		}
		fetched := func(what string, err error, want ...uint32) {
			t.Helper()
			must(t, what, err)
			if diff := cmp.Diff(want, uids); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
			uids = nil
		}
		fetched("fetch", c.Fetch(ctx, true, "1:*", "(FLAGS)", on), 8, 9, 5, 6, 2)
		fetched("many", c.FetchMany(ctx, true, []string{"1:3,5", "7"}, "(FLAGS)", nil, on), 3, 5, 7, 1, 2)
		var limited *LimitedError
		if err := c.Fetch(ctx, false, "1:9", "(FLAGS)", on); !errors.As(err, &limited) || limited.UID != 8 {
			t.Error(err)
		}
		uids = nil
		if err := c.Fetch(ctx, true, "1:7", "(FLAGS)", on); !errors.Is(err, ErrProtocol) {
			t.Error(err)
		}
		res, err := c.Search(ctx, true, "", "UNSEEN")
		must(t, "search", err)
		if diff := cmp.Diff([]imap.NumRange{{Start: 1, Stop: 1}, {Start: 3, Stop: 4}, {Start: 8, Stop: 9}}, res.Numbers); diff != "" {
			t.Error(diff)
		}
		if _, err := c.Search(ctx, true, "RETURN (COUNT) ", "ALL"); !errors.As(err, &limited) || limited.UID != 4 {
			t.Error(err)
		}
		if r, err := c.Store(ctx, true, "1:9", "+FLAGS.SILENT (x)"); !errors.As(err, &limited) || limited.UID != 8 || r == nil {
			t.Error(r, err)
		}
		var refused *imap.Error
		if _, err := c.Copy(ctx, true, "1:9", "x"); !errors.As(err, &refused) || refused.Code != imap.CodeMessageLimit {
			t.Error(err)
		}
	})
}

func TestFetchMany(t *testing.T) {
	play(t, "testdata/session/fetchmany.txt", func(ctx context.Context, c *Client, got *[]imap.Response) {
		var spooled bytes.Buffer
		var seen []string
		sink := func(label string, size int64) io.Writer {
			if label != "BODY[]" {
				return nil
			}
			return &spooled
		}
		err := c.FetchMany(ctx, true, []string{"1", "2", "3"}, "(UID BODY.PEEK[])", sink, func(f *imap.FetchResponse) error {
			for _, s := range f.Sections {
				seen = append(seen, fmt.Sprintf("%d %s %q %d", f.UID, s.Label, s.Data, s.Spooled))
			}
			return nil
		})
		var ierr *imap.Error
		if !errors.As(err, &ierr) || ierr.Code != "SERVERBUG" {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff([]string{`1 BODY[] "" 5`, `1 BODY[HEADER] "x\r\n" 0`, `2 BODY[] "quoted" 0`}, seen); diff != "" {
			t.Error(diff)
		}
		if spooled.String() != "abc\r\n" || len(*got) != 1 {
			t.Errorf("spooled %q, others %v", spooled.String(), *got)
		}
	})
}
