package jmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestID(t *testing.T) {
	for id, want := range map[ID]bool{"": false, "a": true, "A-z_09": true, "a b": false, "é": false, ID(strings.Repeat("a", 255)): true, ID(strings.Repeat("a", 256)): false} {
		if got := id.Valid(); got != want {
			t.Errorf("%.20q: got %v", id, got)
		}
	}
}

// RFC 8620 3.3.1 and what 3.6.1 says of requests that are none.
func TestDecodeRequest(t *testing.T) {
	r, err := DecodeRequest([]byte(`{"using": ["urn:ietf:params:jmap:core"], "methodCalls": [["method1", {"arg1": "arg1data"}, "c1"], ["method2", {}, "c2"]]}`))
	if err != nil || len(r.MethodCalls) != 2 || r.MethodCalls[0].Name != "method1" || r.MethodCalls[1].CallID != "c2" || r.CreatedIDs != nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	for in, want := range map[string]string{
		`{"using": [], "methodCalls": [`:                ProblemNotJSON,
		`{"using": [], "using": [], "methodCalls": []}`: ProblemNotJSON, // RFC 7493 2.3
		"\xff": ProblemNotJSON,
		strings.Repeat("[", 200) + strings.Repeat("]", 200): ProblemNotJSON,
		`{} {}`:                             ProblemNotRequest,
		`[]`:                                ProblemNotRequest,
		`{"methodCalls": []}`:               ProblemNotRequest,
		`{"using": []}`:                     ProblemNotRequest,
		`{"using": "x", "methodCalls": []}`: ProblemNotRequest,
		`{"using": [], "methodCalls": [["a", {}]]}`:                          ProblemNotRequest,
		`{"using": [], "methodCalls": [["a", [], "c"]]}`:                     ProblemNotRequest,
		`{"using": [], "methodCalls": [[1, {}, "c"]]}`:                       ProblemNotRequest,
		`{"using": [], "methodCalls": [["a", {}, 1]]}`:                       ProblemNotRequest,
		`{"using": [], "methodCalls": [], "createdIds": {"a": "not an id"}}`: ProblemNotRequest,
	} {
		_, err := DecodeRequest([]byte(in))
		var p *Problem
		if !errors.As(err, &p) || p.Type != want || p.Status != 400 || p.Detail == "" {
			t.Errorf("%.60s: got %v, want %s", in, err, want)
		}
	}
}

// The examples of RFC 8620 3.7.
func TestResolve(t *testing.T) {
	responses := []Invocation{
		{"Foo/changes", json.RawMessage(`{"accountId": "A1", "oldState": "abcdef", "newState": "123456", "hasMoreChanges": false, "created": ["f1", "f4"], "updated": [], "destroyed": []}`), "t0"},
		{"Email/get", json.RawMessage(`{"list": [{"id": "a", "threadId": "trd194", "m": ["x", "y"]}, {"id": "b", "threadId": "trd114", "m": []}, {"id": "c", "threadId": "trd194", "m": ["z"]}], "a/b": {"m~n": 7}}`), "t1"},
	}
	for in, want := range map[string]string{
		`{"accountId": "A1", "#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/created"}}`: `{"accountId":"A1","ids":["f1","f4"]}`,
		`{"#ids": {"resultOf": "t1", "name": "Email/get", "path": "/list/*/threadId"}}`:              `{"ids":["trd194","trd114","trd194"]}`,
		`{"#ids": {"resultOf": "t1", "name": "Email/get", "path": "/list/*/m"}}`:                     `{"ids":["x","y","z"]}`,
		`{"#id": {"resultOf": "t1", "name": "Email/get", "path": "/list/1/id"}}`:                     `{"id":"b"}`,
		`{"#n": {"resultOf": "t1", "name": "Email/get", "path": "/a~1b/m~0n"}}`:                      `{"n":7}`,
		`{"subject": "#ids"}`: `{"subject": "#ids"}`,
	} {
		got, err := new(Resolver).Resolve(t.Context(), json.RawMessage(in), responses)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		`{"ids": [], "#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/created"}}`: ErrorInvalidArguments,
		`{"#ids": 1}`: ErrorInvalidArguments,
		`{"#ids": {"resultOf": "t2", "name": "Foo/changes", "path": "/created"}}`:    ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/get", "path": "/created"}}`:        ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/none"}}`:       ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "created"}}`:     ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/created/2"}}`:  ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/created/01"}}`: ErrorInvalidResultReference,
		`{"#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/newState/x"}}`: ErrorInvalidResultReference,
	} {
		_, err := new(Resolver).Resolve(t.Context(), json.RawMessage(in), responses)
		var e *Error
		if !errors.As(err, &e) || e.Type != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

// TestResolverBounds: a call has few references, and what they give is counted for all calls of a request.
func TestResolverBounds(t *testing.T) {
	responses := []Invocation{{"Core/echo", json.RawMessage(`{"a": ["` + strings.Repeat("x", 1000) + `"]}`), "t"}}
	args := func(n int, path string) json.RawMessage {
		m := map[string]ResultReference{}
		for i := range n {
			m[fmt.Sprint("#a", i)] = ResultReference{"t", "Core/echo", path}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, path := range []string{"", "/a"} {
		left := int64(50000)
		r := &Resolver{Charge: func(n int64) error {
			if left -= n; left < 0 {
				return Errorf(ErrorRequestTooLarge, "too much")
			}
			return nil
		}}
		for i, want := range []string{"", "", ErrorRequestTooLarge} {
			_, err := r.Resolve(t.Context(), args(20, path), responses)
			var e *Error
			if errors.As(err, &e); err != nil && e == nil || e == nil != (want == "") || e != nil && e.Type != want {
				t.Errorf("%q, call %d: got %v, want %q", path, i, err, want)
			}
		}
	}
	var e *Error
	if _, err := new(Resolver).Resolve(t.Context(), args(21, "/a"), responses); !errors.As(err, &e) || e.Type != ErrorInvalidArguments {
		t.Errorf("21 references: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(Resolver).Resolve(ctx, args(1, "/a"), responses); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
}

// RFC 6901 5.
func TestPointer(t *testing.T) {
	var doc any
	if err := json.Unmarshal([]byte(`{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}`), &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"/foo": []any{"bar", "baz"}, "/foo/0": "bar", "/": 0.0, "/a~1b": 1.0, "/c%d": 2.0, "/e^f": 3.0, "/g|h": 4.0, "/i\\j": 5.0, "/k\"l": 6.0, "/ ": 7.0, "/m~0n": 8.0, "": doc,
	} {
		got, err := Pointer(doc, path)
		if err != nil || cmp.Diff(got, want) != "" {
			t.Errorf("%q: got %v, %v", path, got, err)
		}
	}
}

func TestUTCDate(t *testing.T) {
	var d UTCDate
	for in, ok := range map[string]bool{`"2014-10-30T06:12:00Z"`: true, `"2014-10-30T14:12:00+08:00"`: false, `"2014-10-30"`: false, `5`: false} {
		if err := json.Unmarshal([]byte(in), &d); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `"2014-10-30T06:12:00Z"` {
		t.Errorf("got %s, %v", b, err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"using": ["urn:ietf:params:jmap:core"], "methodCalls": [["a", {"#b": {"resultOf": "x", "name": "y", "path": "/*/z"}}, "c"]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRequest(b)
		if err != nil {
			return
		}
		for i, c := range r.MethodCalls {
			if args, err := new(Resolver).Resolve(t.Context(), c.Args, r.MethodCalls[:i]); err == nil && !json.Valid(args) {
				t.Fatalf("%s", args)
			}
		}
	})
}
