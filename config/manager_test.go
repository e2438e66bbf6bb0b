package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/mlog"
	"mox/mlog/mlogtest"
	"mox/sconf"
)

func openManager(t *testing.T) (*Manager, string, *mlogtest.Buffer) {
	t.Helper()
	path := makeDir(t, minimalStatic, "# Head.\n"+minimalDynamic)
	var buf mlogtest.Buffer
	m, err := Open(path, slog.New(mlog.NewHandler(&buf, mlog.Options{})), Options{})
	check(t, err)
	t.Cleanup(m.Close)
	return m, filepath.Join(filepath.Dir(path), DynamicName), &buf
}

// put writes a file as an editor would, with a modification time of its own.
func put(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path+".new", []byte(text), 0o640))
	check(t, os.Rename(path+".new", path))
}

func get(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	return string(data)
}

func addDomain(name string) func(*Dynamic) error {
	return func(d *Dynamic) error {
		d.Domains[name] = Domain{}
		return nil
	}
}

func TestManagerCheck(t *testing.T) {
	m, path, log := openManager(t)
	first := m.Snapshot()
	check(t, m.Check())
	equal(t, "unchanged", m.Snapshot(), first)

	put(t, path, strings.Replace(get(t, path), "\texample.org: nil\n", "\texample.org: nil\n\texample.net: nil\n", 1))
	check(t, m.Check())
	second := m.Snapshot()
	if second == first || second.Serial != first.Serial+1 || second.Domains["example.net"] == nil || first.Domains["example.net"] != nil {
		t.Error("change does not count")
	}
	if l := log.Take(); !strings.Contains(l, "configuration changed") {
		t.Error(l)
	}

	good := get(t, path)
	put(t, path, strings.Replace(good, "Domain: example.org", "Domian: example.org", 1))
	for range 3 {
		err := m.Check()
		if err == nil || !strings.HasSuffix(err.Error(), `:6: Accounts.mjl.Domian: unknown field; did you mean "Domain"?`) && !strings.Contains(err.Error(), "did you mean") {
			t.Error(err)
		}
		equal(t, "broken", m.Snapshot(), second)
	}
	l := log.Take()
	if strings.Count(l, "\n") != 2 || !strings.Contains(l, "domains.conf:7: Accounts.mjl.Domian: unknown field; did you mean") || !strings.Contains(l, "missing required field") {
		t.Error(l)
	}
	// A valid file that lacks an account that mox.conf needs.
	put(t, path, strings.Replace(good, "\tmjl:", "\tother:", 1))
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), `mox.conf:12: Postmaster.Account: unknown account "mjl"`) {
		t.Error(err)
	}
	log.Take()
	check(t, os.Remove(path))
	for range 2 {
		if err := m.Check(); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	if l := log.Take(); strings.Count(l, "\n") != 1 {
		t.Error(l)
	}
	put(t, path, good)
	check(t, m.Check())
	equal(t, "restored", m.Snapshot(), second)
	if l := log.Take(); !strings.Contains(l, "as before again") {
		t.Error(l)
	}
	// Changed in place, same size, right after.
	check(t, os.WriteFile(path, []byte(strings.Replace(good, "example.net", "example.com", 1)), 0o600))
	check(t, m.Check())
	if m.Snapshot().Domains["example.com"] == nil {
		t.Error("quick change of same size not seen")
	}
}

func TestManagerWatch(t *testing.T) {
	// Real files under a fake clock: their times lie in the future.
	path := makeDir(t, minimalStatic, minimalDynamic)
	synctest.Test(t, func(t *testing.T) {
		m, err := Open(path, nil, Options{})
		check(t, err)
		dyn := filepath.Join(filepath.Dir(path), DynamicName)
		put(t, dyn, minimalDynamic+"MonitorDNSBLs:\n\t- a.example\n")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		equal(t, "lists", len(m.Snapshot().MonitorDNSBLs), 1)
		m.Close()
		m.Close()
	})
}

func TestManagerEdit(t *testing.T) {
	m, path, _ := openManager(t)
	check(t, os.Chmod(path, 0o640))
	check(t, m.Edit(addDomain("example.net")))
	if m.Snapshot().Domains["example.net"] == nil {
		t.Error("edit does not count")
	}
	want := "# Head.\n" + strings.Replace(minimalDynamic, "\texample.org: nil\n", "\texample.net: nil\n\texample.org: nil\n", 1)
	equal(t, "file", get(t, path), want)
	fi, err := os.Stat(path)
	check(t, err)
	equal(t, "mode", fi.Mode().Perm(), 0o640)
	serial := m.Snapshot().Serial
	check(t, m.Check())
	check(t, m.Edit(func(d *Dynamic) error { return nil }))
	equal(t, "serial", m.Snapshot().Serial, serial)

	// Errors change nothing.
	mine := errors.New("mine")
	if err := m.Edit(func(d *Dynamic) error { delete(d.Domains, "example.org"); return mine }); err != mine {
		t.Error(err)
	}
	err = m.Edit(addDomain("bad domain"))
	if errs, ok := errors.AsType[sconf.Errors](err); !ok || len(errs) != 1 || errs[0].Path.String() != "Domains.bad domain" {
		t.Error(err)
	}
	if err := m.Edit(func(d *Dynamic) error { delete(d.Accounts, "mjl"); return nil }); err == nil || !strings.Contains(err.Error(), "Postmaster.Account") {
		t.Error(err)
	}
	if err := m.Edit(func(d *Dynamic) error { d.MonitorDNSBLs = []string{"a\nb"}; return nil }); err == nil || !strings.Contains(err.Error(), "several lines") {
		t.Error(err)
	}
	equal(t, "file", get(t, path), want)
	equal(t, "serial", m.Snapshot().Serial, serial)

	// Changes of others are taken along, or in the way.
	put(t, path, want+"MonitorDNSBLs:\n\t# Watch.\n\t- a.example\n")
	check(t, m.Edit(addDomain("example.com")))
	s := m.Snapshot()
	if s.Domains["example.com"] == nil || len(s.MonitorDNSBLs) != 1 || !strings.Contains(get(t, path), "# Watch.") {
		t.Error("change of others lost")
	}
	broken := want + "Quux: 1\n"
	put(t, path, broken)
	if err := m.Edit(addDomain("a.example")); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "Quux") {
		t.Error(err)
	}
	equal(t, "file", get(t, path), broken)
}

func TestManagerSubscribe(t *testing.T) {
	m, path, log := openManager(t)
	var events []string
	event := func(s string) func() { return func() { events = append(events, s) } }
	refuse := errors.New("not like this")
	var refuseNow bool
	cancel1 := m.Subscribe(func(old, new *Snapshot) (Prepared, error) {
		events = append(events, fmt.Sprintf("prepare1 %d %d", len(old.Domains), len(new.Domains)))
		return Prepared{event("commit1"), event("abort1")}, nil
	})
	m.Subscribe(func(old, new *Snapshot) (Prepared, error) {
		if refuseNow {
			return Prepared{}, refuse
		}
		return Prepared{Commit: func() {
			events = append(events, fmt.Sprintf("commit2 %v", m.Snapshot() == new))
		}}, nil
	})
	take := func() string { defer func() { events = nil }(); return strings.Join(events, ", ") }

	check(t, m.Edit(addDomain("a.example")))
	equal(t, "events", take(), "prepare1 1 2, commit1, commit2 true")
	refuseNow = true
	before := get(t, path)
	if err := m.Edit(addDomain("b.example")); !errors.Is(err, refuse) {
		t.Error(err)
	}
	equal(t, "events", take(), "prepare1 2 3, abort1")
	equal(t, "file", get(t, path), before)

	log.Take()
	put(t, path, strings.Replace(before, "a.example", "c.example", 1))
	for range 2 {
		if err := m.Check(); !errors.Is(err, refuse) {
			t.Error(err)
		}
	}
	equal(t, "events", take(), "prepare1 2 2, abort1")
	if l := log.Take(); strings.Count(l, "\n") != 1 || !strings.Contains(l, "not like this") {
		t.Error(l)
	}
	put(t, path, before)
	refuseNow = false
	cancel1()
	check(t, m.Edit(addDomain("b.example")))
	equal(t, "events", take(), "commit2 true")

	// Written by someone else while subscribers prepare.
	m.Subscribe(func(old, new *Snapshot) (Prepared, error) {
		put(t, path, before)
		return Prepared{Abort: event("abort3")}, nil
	})
	if err := m.Edit(addDomain("d.example")); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	equal(t, "events", take(), "abort3")
	equal(t, "file", get(t, path), before)
}

func TestManagerConcurrent(t *testing.T) {
	m, path, _ := openManager(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 5 {
				if err := m.Edit(addDomain(fmt.Sprintf("d%d-%d.example", i, j))); err != nil {
					t.Error(err)
				}
				m.Snapshot()
			}
		})
	}
	wg.Wait()
	check(t, m.Check())
	equal(t, "domains", len(m.Snapshot().Domains), 21)
	s, err := Load(filepath.Join(filepath.Dir(path), "mox.conf"))
	check(t, err)
	equal(t, "domains in file", len(s.Domains), 21)
}

func FuzzDynamic(f *testing.F) {
	f.Add(minimalDynamic)
	data, err := os.ReadFile("testdata/full/domains.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	static := &staticFile{path: "mox.conf", opts: Options{SkipFiles: true}.withDefaults(), conf: &Static{}}
	staticData, err := os.ReadFile("testdata/full/mox.conf")
	if err != nil {
		f.Fatal(err)
	}
	static.doc, err = sconf.Parse(staticData, "mox.conf", static.conf)
	if err != nil {
		f.Fatal(err)
	}
	c := checker{doc: static.doc, opts: static.opts}
	static.info = c.checkStatic(static.conf)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := static.snapshot([]byte(text))
		if err != nil {
			return
		}
		// What is valid can be written, and then is the same.
		var b bytes.Buffer
		if err := WriteDynamic(&b, s.Dynamic); err != nil {
			t.Fatal(err)
		}
		if _, err := static.snapshot(b.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
	})
}
