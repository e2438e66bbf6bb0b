package jmapserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mox/jmap"
)

// failed tells the type of error that a response is; "" for none.
func failed(t testing.TB, in jmap.Invocation) string {
	t.Helper()
	if in.Name != "error" {
		return ""
	}
	var e jmap.Error
	if err := json.Unmarshal(in.Args, &e); err != nil || e.Description == "" {
		t.Errorf("%s: %v", in.Args, err)
	}
	return e.Type
}

// list is a JSON array of n elements, made of a format with a number.
func list(n int, format string) string {
	var l []string
	for i := range n {
		l = append(l, fmt.Sprintf(format, i))
	}
	return "[" + strings.Join(l, ", ") + "]"
}

// TestReferencesAreCounted: the arguments that result references give are bounded as answers are.
func TestReferencesAreCounted(t *testing.T) {
	x := newTesterWith(t, Config{Limits: Limits{Response: 300_000}})
	refs := strings.Trim(list(20, `"#a%d": {"resultOf": "0", "name": "Core/echo", "path": ""}`), "[]")
	calls := `[["Core/echo", {"a": "` + strings.Repeat("x", 10_000) + `"}, "0"], ["Core/echo", {` + refs + `}, "1"], ["Core/echo", {` + refs + `}, "2"]]`
	res := x.calls(calls)
	for i, want := range []string{"", "", jmap.ErrorRequestTooLarge} {
		if got := failed(t, res[i]); got != want {
			t.Errorf("call %d: got %q, want %q", i, got, want)
		}
	}
	refs = strings.Trim(list(21, `"#a%d": {"resultOf": "0", "name": "Core/echo", "path": "/a"}`), "[]")
	res = x.calls(`[["Core/echo", {"a": 1}, "0"], ["Core/echo", {` + refs + `}, "1"]]`)
	if got := failed(t, res[1]); got != jmap.ErrorInvalidArguments {
		t.Errorf("21 references: got %q", got)
	}
}
