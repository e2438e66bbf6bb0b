package ctl

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/trace"
	"mox/tracelog"
)

func TestTrace(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	clock := func() time.Time { return now }
	traces, err := tracelog.Open(filepath.Join(t.TempDir(), tracelog.FileName), tracelog.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	for i, id := range []string{"one", "two"} {
		traces.Add(&trace.Trace{
			Time: now.Add(time.Duration(i-2) * time.Hour), ID: id, Account: id, Facts: trace.Facts{RcptTo: "x@a.example", MessageID: "<" + id + "@b.example>"},
			Verdict: trace.Verdict{Action: trace.Reject, Reason: "dmarc-policy", Code: 550, Enhanced: "5.7.26", Text: "no <b> & no"},
		})
	}
	a := &admin.Admin{Traces: traces, Now: clock}
	run := func(params ...string) (string, error) {
		var out strings.Builder
		err := findTraces(context.Background(), a, append(params, make([]string, 5-len(params))...), &out)
		return out.String(), err
	}
	out, err := run("A.example")
	if parts := strings.Split(out, "\n\n"); err != nil || len(parts) != 2 || !strings.Contains(parts[0], "two") || !strings.HasPrefix(parts[1], "2026-03-04T03:06:07Z: refused (dmarc-policy)\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	out, err = run("x@a.example", "", "", "", "json")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || len(lines) != 2 || !strings.Contains(out, "<b> & no") {
		t.Fatalf("%v:\n%s", err, out)
	}
	for i, want := range []string{"two", "one"} {
		if tr, err := trace.Decode([]byte(lines[i])); err != nil || tr.ID != want || !json.Valid([]byte(lines[i])) {
			t.Errorf("%v: %s", err, lines[i])
		}
	}
	for _, tc := range []struct{ params, want string }{
		{"one@b.example", "account one, log id one"},
		{"a.example,one", "account one, log id one"},
		{",two", "account two, log id two"},
		{"a.example,,90m", "account two, log id two"},
		{"a.example,,,1", "account two, log id two"},
	} {
		out, err := run(strings.Split(tc.params, ",")...)
		if err != nil || strings.Count(out, "log id") != 1 || !strings.Contains(out, tc.want) {
			t.Errorf("%q: %v\n%s", tc.params, err, out)
		}
	}
	for _, tc := range []struct{ params, want string }{
		{"c.example", "nothing found"},
		{"a.example,three", "nothing found"},
		{"a.example,,10m", "nothing found"},
		{"", "nothing to look for"},
		{"a.example,,x", "how far back"},
		{"a.example,,-1h", "how far back"},
		{"a.example,,,0", "not a number"},
		{"a.example,,,1001", "not a number"},
		{"a.example,,,,xml", "unknown output format"},
	} {
		if out, err := run(strings.Split(tc.params, ",")...); err == nil || !strings.Contains(err.Error(), tc.want) || out != "" {
			t.Errorf("%q: %v, %q", tc.params, err, out)
		}
	}
	traces.Close()
	traces.Add(&trace.Trace{})
	if err := nothingFound(traces.Dropped()); !strings.Contains(err.Error(), "server: 1") {
		t.Error(err)
	}
	a.Traces = nil
	if _, err := run("a.example"); err == nil || !strings.Contains(err.Error(), "keeps no log") {
		t.Error(err)
	}
	// Over the wire there is a command of that name.
	path, _, _ := startServer(t)
	c, err := Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := do(t, c, "trace", "x"); err == nil || !strings.Contains(err.Error(), "keeps no log") {
		t.Error(err)
	}
}
