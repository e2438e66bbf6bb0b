package sampledata

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mox/config"
	"mox/dns"
	"mox/mlog"
	"mox/queue"
	"mox/reportdb"
	"mox/serve"
	"mox/store"
)

// With -make-upgrade, TestUpgrade first writes testdata/upgrade/NAME.tar.zst and NAME.txt of the data
// of this version: once, with a release, and the files are never changed again.
var makeUpgrade = flag.String("make-upgrade", "", "write the data of this version for TestUpgrade, under a `name`")

const upgradeDir = "testdata/upgrade"

// TestUpgrade: a server of this version takes over the whole data directories of earlier ones, and
// finds in them what they had.
func TestUpgrade(t *testing.T) {
	if *makeUpgrade != "" {
		writeVersion(t, filepath.Join(upgradeDir, *makeUpgrade))
	}
	files, err := filepath.Glob(upgradeDir + "/*.tar.zst")
	if err != nil || len(files) == 0 {
		t.Fatal("no data of earlier versions", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			written := unpack(t, file, dir)
			want, err := os.ReadFile(strings.TrimSuffix(file, ".tar.zst") + ".txt")
			check(t, err)
			s := open(t, dir, written)
			if got := listing(t, s); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			inUse(t, s)
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open composes a server of the data, which ends with the test. Its time goes on from when the data was
// written: what is kept for some time must not go with the years.
func open(t *testing.T, dir string, written time.Time) *serve.Server {
	t.Helper()
	start := time.Now()
	log := mlog.NewTest(t, mlog.LevelError)
	manager, err := config.Open(filepath.Join(dir, "config", "mox.conf"), log, config.Options{})
	check(t, err)
	s, err := serve.New(serve.Options{Config: manager, Log: log, Levels: mlog.NewLevels(mlog.LevelError, nil), Resolver: &dns.MockResolver{}, Version: "(test)", Listen: serve.NoListen,
		Now: func() time.Time { return written.Add(time.Since(start)) }})
	check(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		manager.Close()
	})
	return s
}

// listing is what there is, as text.
func listing(t *testing.T, s *serve.Server) string {
	t.Helper()
	ctx := context.Background()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	show := func(v any, err error) {
		t.Helper()
		check(t, err)
		check(t, enc.Encode(v))
	}
	for _, name := range []string{Account, Other} {
		acc, err := s.Store.Account(ctx, name)
		check(t, err)
		for _, m := range acc.Mailboxes() {
			show([]any{name, m}, nil)
		}
		problems, err := acc.CheckDeep(ctx)
		show(problems, err)
		acc.Release()
		tokens, err := s.Auth.ListTokens(ctx, name)
		show(tokens, err)
		keys, err := s.Auth.ListTLSKeys(ctx, name)
		show(keys, err)
	}
	problems, err := s.Queue.Check(ctx)
	show(problems, err)
	msgs, err := s.Queue.List(ctx, queue.Filter{}, queue.Sort{Asc: true})
	show(msgs, err)
	retired, err := s.Queue.RetiredList(ctx, queue.RetiredFilter{}, queue.Sort{Asc: true})
	show(retired, err)
	hooks, err := s.Queue.HookList(ctx, queue.HookFilter{}, queue.Sort{Asc: true})
	show(hooks, err)
	rules, err := s.Queue.HoldRules(ctx)
	show(rules, err)
	suppressed, err := s.Queue.SuppressionList(ctx, "")
	show(suppressed, err)
	dmarc, err := s.Reports.DMARCReports(ctx, reportdb.Filter{})
	show(dmarc, err)
	tls, err := s.Reports.TLSReports(ctx, reportdb.Filter{})
	show(tls, err)
	policies, err := s.Policies.List(ctx)
	check(t, err)
	for _, p := range policies {
		show([]any{p.Domain, p.RecordID, p.Policy}, nil)
	}
	return b.String()
}

// inUse delivers a message, and checks all again.
func inUse(t *testing.T, s *serve.Server) {
	t.Helper()
	w := writer{s: s, ctx: context.Background()}
	check(t, w.withAccount(Account, func(a *store.Account) error {
		if err := w.deliver(a, "Inbox", mail(1000), nil); err != nil {
			return err
		}
		problems, err := a.CheckDeep(w.ctx)
		for _, p := range problems {
			t.Error(p)
		}
		return err
	}))
	check(t, w.hooks())
}

func writeVersion(t *testing.T, base string) {
	t.Helper()
	dir := t.TempDir()
	check(t, Write(context.Background(), dir, "(test)", mlog.Discard()))
	var text string
	t.Run("list", func(t *testing.T) { text = listing(t, open(t, dir, time.Now())) })
	var packed bytes.Buffer
	enc, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(t, err)
	tw := tar.NewWriter(enc)
	check(t, tw.AddFS(os.DirFS(dir)))
	check(t, tw.Close())
	check(t, enc.Close())
	check(t, os.MkdirAll(upgradeDir, 0o755))
	check(t, os.WriteFile(base+".tar.zst", packed.Bytes(), 0o644))
	check(t, os.WriteFile(base+".txt", []byte(text), 0o644))
}

// unpack unpacks an archive that this test has made, and returns when the data was written.
func unpack(t *testing.T, file, dir string) (written time.Time) {
	t.Helper()
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	dec, err := zstd.NewReader(f)
	check(t, err)
	defer dec.Close()
	r := tar.NewReader(dec)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return written
		}
		check(t, err)
		if h.ModTime.After(written) {
			written = h.ModTime
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			check(t, os.MkdirAll(path, 0o700))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		b, err := io.ReadAll(r)
		check(t, err)
		check(t, os.WriteFile(path, b, 0o600))
	}
}
