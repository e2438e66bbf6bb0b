package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJunkFigures(t *testing.T) {
	f := junkFigures{threshold: 0.95}
	for i := range 2000 {
		f.verdicts = append(f.verdicts, junkVerdict{float64(i) / 4000, false, "ham"})
	}
	f.verdicts[0].probability, f.verdicts[1].probability, f.verdicts[2].probability = 0.97, 0.8, 0.6
	for i, p := range []float64{0.99, 0.96, 0.9, 0.8, 0.7, 0.6, 0.1} {
		f.verdicts = append(f.verdicts, junkVerdict{p, true, fmt.Sprint("spam", i)})
	}
	if c := f.confusion(); c != (confusion{2, 1, 1999, 5}) {
		t.Errorf("confusion %+v", c)
	}
	// Of 2000, two ham may be above: 0.97 and 0.8. At 0.6 junk and ham are equal, which
	// counts as found too late.
	if found, allowed, threshold := f.at(0.001); found != 5 || allowed != 2 || threshold != 0.7 {
		t.Errorf("found %d, allowed %d, threshold %v", found, allowed, threshold)
	}
	if found, _, threshold := f.at(0); found != 1 || threshold != 0.99 {
		t.Errorf("without false positives: found %d, threshold %v", found, threshold)
	}
	var b bytes.Buffer
	f.print(&b)
	f.printWrong(&b)
	for _, want := range []string{"recall:                  28.57% (2 of 7)", "precision:               66.67% (2 of 3)", "junk missed        0.800000 spam3", "ham taken for junk 0.970000 ham"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %s", want, b.String())
		}
	}
	b.Reset()
	(&junkFigures{}).print(&b)
	if !strings.Contains(b.String(), "recall:                  none") {
		t.Errorf("figures of nothing: %s", b.String())
	}
}

func TestJunkMails(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("box", "From a\nDate: Wed, 3 Jan 2024 00:00:00 +0000\n\nx\nFrom here\n\nFrom b\r\nReceived: x;\r\n y; Mon, 1 Jan 2024 00:00:00 +0000\r\nDate: Thu, 4 Jan 2024 00:00:00 +0000\r\n\r\ny\r\n")
	write("dir/sub/1", "Date: Tue, 2 Jan 2024 00:00:00 +0000\n\nz\n")
	write("dir/empty", "")
	var j junkMails
	if err := j.find(filepath.Join(dir, "box"), false, false); err != nil {
		t.Fatal(err)
	}
	if err := j.find(filepath.Join(dir, "dir"), true, false); err != nil {
		t.Fatal(err)
	}
	j.order(0)
	if len(j.mails) != 3 || j.skipped != 1 {
		t.Fatalf("%d mails, %d skipped", len(j.mails), j.skipped)
	}
	for i, m := range j.mails {
		if want := time.Date(2024, 1, i+1, 0, 0, 0, 0, time.UTC); !m.date.Equal(want) {
			t.Errorf("mail %d has date %v, want %v", i, m.date, want)
		}
	}
	if m := j.mails[2]; m.start != int64(len("From a\n")) || j.mails[1].spam != true {
		t.Errorf("mails %+v", j.mails)
	}
	first, rest := j.split(0.5)
	if len(first) != 1 || len(rest) != 2 || first[0].spam {
		t.Errorf("split: %+v and %+v", first, rest)
	}
	a, b := junkMails{mails: append([]junkMail(nil), j.mails...)}, junkMails{mails: append([]junkMail(nil), j.mails...)}
	a.order(7)
	b.order(7)
	if fmt.Sprint(a.mails) != fmt.Sprint(b.mails) {
		t.Errorf("the same seed gives other orders")
	}
}
