package serve

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
	"mox/dns"
	"mox/metrics"
	"mox/mlog"
	"mox/store"
	"mox/updates"
)

// updateFeed is a feed with some releases, its web server and its authority.
func updateFeed(t *testing.T, versions ...string) (updates.Feed, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var c updates.Changelog
	for _, v := range versions {
		e, err := updates.Sign(updates.Release{Version: v, Date: "2026-11-22", Text: "Grüße from " + v + ".\n"}, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Entries = append(c.Entries, e)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	feed, err := updates.NewFeed("releases.example", web.URL+"/"+updates.ChangelogName, []string{updates.FormatPublicKey(key.Public().(ed25519.PublicKey))})
	if err != nil {
		t.Fatal(err)
	}
	return feed, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
}

// updatesServer is a server, not started, that is to look for updates.
func updatesServer(t *testing.T, static string, ca []byte, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	static += "CheckUpdates: true\nTLS:\n\tCA:\n\t\tCertFiles:\n\t\t\t- ca.pem\nDataDir: data\nLogLevel: info\nHostname: mail.mox.example\nListeners:\n\tlocal:\n\t\tIPs:\n\t\t\t- 127.0.0.1\nPostmaster:\n\tAccount: mox\n\tMailbox: Postmaster\n"
	for name, text := range map[string]string{"ca.pem": string(ca), "mox.conf": static, "domains.conf": "Domains:\n\tmox.example: nil\nAccounts:\n\tmox:\n\t\tDomain: mox.example\n\t\tDestinations:\n\t\t\tmox@mox.example: nil\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manager, err := config.Open(filepath.Join(dir, "mox.conf"), o.Log, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Config, o.Levels, o.Registry, o.Version = manager, mlog.NewLevels(mlog.LevelInfo, nil), metrics.New(), "v1.0.0 go1.26.1"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.abandon(); manager.Close() })
	return s
}

// TestUpdates: the message to postmaster, once, and what metrics tell.
func TestUpdates(t *testing.T) {
	feed, ca := updateFeed(t, "v1.1.0", "v1.2.0")
	zone := dns.MockResolver{TXT: map[string][]string{"_updates.releases.example": {"v=UPDATES0; l=v1.2.0"}}}
	s := updatesServer(t, "", ca, Options{Log: slog.New(slog.DiscardHandler), Resolver: zone, Feed: feed})
	if err := s.newUpdates().Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	acc, err := s.Store.Account(t.Context(), "mox")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	box, ok := acc.MailboxByName("Postmaster")
	if !ok {
		t.Fatal("no mailbox")
	}
	uids, err := acc.FindMessageID(t.Context(), box.ID, "<update-v1.2.0@mail.mox.example>")
	if err != nil || len(uids) != 1 {
		t.Fatal(uids, err)
	}
	text := messageText(t, acc, box.ID)
	for _, part := range []string{"Subject: mox v1.2.0 is available\r\n", "Auto-Submitted: auto-generated\r\n", "This server runs v1.0.0.", "\tmox upgrade\r\n", "v1.1.0, 2026-11-22", "Gr=C3=BC=C3=9Fe from v1.2.0.", "Message-ID: <update-v1.2.0@mail.mox.example>"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	// The process ended before it was noted that this was told; another goes on.
	if err := os.Remove(s.Config.Snapshot().DataPath(updates.StateFile)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.newUpdates().Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.newer.Load().String(); got != "v1.2.0" {
		t.Errorf("newer is %q", got)
	}
	if box, _ = acc.MailboxByName("Postmaster"); box.Messages != 1 {
		t.Errorf("%d messages", box.Messages)
	}
	for name, want := range map[string]string{
		metrics.UpdatesNewer.Name: "map[:1]", metrics.UpdatesLookup.Name: "map[result=ok:3]", metrics.UpdatesFetchChangelog.Name: "map[result=ok:2]",
	} {
		v, err := s.Registry.Gather(name)
		if got := fmt.Sprint(v); err != nil || got != want {
			t.Errorf("%s is %s, want %s: %v", name, got, want, err)
		}
	}
}

// messageText is the only message of a mailbox, which is flagged.
func messageText(t *testing.T, acc *store.Account, box store.MailboxID) string {
	t.Helper()
	l, err := acc.MessagesAt(t.Context(), box, store.AllUIDs())
	if err != nil || len(l) != 1 || l[0].Flags != store.FlagFlagged {
		t.Fatal(l, err)
	}
	b, err := acc.OpenBody(t.Context(), l[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUpdatesFeed: that of mox.conf before that of the release; without any, the log says so and
// nobody is asked.
func TestUpdatesFeed(t *testing.T) {
	feed, ca := updateFeed(t, "v1.2.0")
	zone := dns.MockResolver{TXT: map[string][]string{"_updates.own.example": {"v=UPDATES0; l=v1.0.0"}}}
	own := "Updates:\n\tDomain: own.example\n\tPublicKeys:\n\t\t- " + updates.FormatPublicKey(feed.Keys[0]) + "\n"
	s := updatesServer(t, own, ca, Options{Log: slog.New(slog.DiscardHandler), Resolver: zone, Feed: feed})
	if err := s.newUpdates().Check(context.Background()); err != nil {
		t.Error(err)
	}
	var logged bytes.Buffer
	s = updatesServer(t, "", ca, Options{Log: slog.New(slog.NewTextHandler(&logged, nil)), Resolver: zone})
	if s.newUpdates() != nil || !strings.Contains(logged.String(), "no feed of updates") {
		t.Error(logged.String())
	}
	s.Local = true
	logged.Reset()
	if s.newUpdates() != nil || logged.Len() > 0 {
		t.Error(logged.String())
	}
}
