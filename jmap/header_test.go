package jmap

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/message"
)

// RFC 8621 4.1.2 and 4.1.3.
func TestHeaderProperty(t *testing.T) {
	header := message.ParseHeader([]byte("Subject: =?utf-8?q?e=CC=81?=\r\n =?utf-8?q?_ab?= x\r\nsubject:  \tlast\r\n" +
		"From: \"  James Smythe\" <james@example.com>, Friends:\r\n jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n <john@example.com>;\r\n" +
		"To: a@x.example (Comment), none:;, b@x.example\r\nX-Bin: a\x00\xffb\r\n folded\r\n" +
		"Message-ID: <a@x>\r\nIn-Reply-To: what\r\nDate: Sat, 20 Nov 1993 14:22:01 +0800 (x)\r\nResent-Date: never\r\n" +
		"List-Post: <https://x.example/a\r\n b>, (c <no> \\) ) <mailto:l@x>\r\nList-Help: NO\r\n\r\n"))
	for in, want := range map[string]string{
		"header:Subject":                  `"  \tlast"`,
		"header:SUBJECT:asText":           `"last"`,
		"header:subject:asText:all":       `["é ab x", "last"]`,
		"header:From:asAddresses":         `[{"name": "James Smythe", "email": "james@example.com"}, {"name": null, "email": "jane@example.com"}, {"name": "John Smîth", "email": "john@example.com"}]`,
		"header:from:asGroupedAddresses":  `[{"name": null, "addresses": [{"name": "James Smythe", "email": "james@example.com"}]}, {"name": "Friends", "addresses": [{"name": null, "email": "jane@example.com"}, {"name": "John Smîth", "email": "john@example.com"}]}]`,
		"header:To:asGroupedAddresses":    `[{"name": null, "addresses": [{"name": "Comment", "email": "a@x.example"}]}, {"name": "none", "addresses": []}, {"name": null, "addresses": [{"name": null, "email": "b@x.example"}]}]`,
		"header:X-Bin":                    `" a\ufffdb\r\n folded"`,
		"header:X-Bin:asRaw":              `" a\ufffdb\r\n folded"`,
		"header:Message-ID:asMessageIds":  `["a@x"]`,
		"header:In-Reply-To:asMessageIds": `null`,
		"header:Date:asDate":              `"1993-11-20T14:22:01+08:00"`,
		"header:Resent-Date:asDate":       `null`,
		"header:List-Post:asURLs":         `["https://x.example/ab", "mailto:l@x"]`,
		"header:List-Help:asURLs":         `null`,
		"header:None":                     `null`,
		"header:None:asDate:all":          `[]`,
	} {
		h, err := ParseHeaderProperty(in)
		if err != nil || h.Property != in {
			t.Errorf("%s: %+v, %v", in, h, err)
			continue
		}
		b, err := json.Marshal(h.Value(header))
		if err != nil {
			t.Fatal(err)
		}
		var got, exp any
		if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(want), &exp)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(exp, got); d != "" {
			t.Errorf("%s: got %s, want %s", in, b, want)
		}
	}
	for _, in := range []string{
		"header:", "header:a b", "header:é", "header:Subject:asNone", "header:Subject:all:asText", "header:Subject:asText:all:x", "header:Subject:",
		"header:From:asDate", "header:Date:asText", "header:From:asText", "header:Subject:asAddresses", "header:List-Post:asMessageIds", "header:Received:asText",
	} {
		_, err := ParseHeaderProperty(in)
		var e *Error
		if !errors.As(err, &e) || e.Type != ErrorInvalidArguments {
			t.Errorf("%s: %v", in, err)
		}
	}
	names := []string{}
	for _, h := range Headers(header) {
		names = append(names, h.Name)
	}
	if want := []string{"Subject", "subject", "From", "To", "X-Bin", "Message-ID", "In-Reply-To", "Date", "Resent-Date", "List-Post", "List-Help"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
}

// condition is a FilterCondition for tests.
type condition struct {
	A *int  `json:"a"`
	B *bool `json:"b"`
}

// RFC 8620 5.5.
func TestFilter(t *testing.T) {
	deep := ""
	for range 30 {
		deep += `{"operator": "AND", "conditions": [`
	}
	for in, want := range map[string]string{
		`{"none": 1}`:                           ErrorUnsupportedFilter,
		`{"a": "x"}`:                            ErrorInvalidArguments,
		`5`:                                     ErrorInvalidArguments,
		`{"operator": "AND", "a": 1}`:           ErrorInvalidArguments,
		`{"operator": 1}`:                       ErrorInvalidArguments,
		`{"operator": "and", "conditions": []}`: ErrorInvalidArguments,
		`{"operator": "AND", "conditions": [null]}`:                 ErrorInvalidArguments,
		`{"operator": "AND", "conditions": [{"none": 1}]}`:          ErrorUnsupportedFilter,
		deep + `{"a": 1}` + string(slices.Repeat([]byte("]}"), 30)): ErrorUnsupportedFilter,
	} {
		_, err := DecodeFilter[condition](json.RawMessage(in))
		var e *Error
		if !errors.As(err, &e) || e.Type != want {
			t.Errorf("%.60s: got %v, want %s", in, err, want)
		}
	}
	for in, want := range map[string]bool{
		`null`: true, `{}`: true, `{"a": 1}`: true, `{"a": 2}`: false, `{"a": 1, "b": false}`: false,
		`{"operator": "AND", "conditions": [{"a": 1}, {"b": true}]}`: true, `{"operator": "AND", "conditions": [{"a": 1}, {"b": false}]}`: false,
		`{"operator": "OR", "conditions": [{"a": 2}, {"b": true}]}`: true, `{"operator": "OR", "conditions": []}`: false, `{"operator": "AND", "conditions": []}`: true,
		`{"operator": "NOT", "conditions": [{"a": 2}, {"b": false}]}`: true, `{"operator": "NOT", "conditions": [{"a": 2}, {"b": true}]}`: false,
	} {
		f, err := DecodeFilter[condition](json.RawMessage(in))
		n := 0
		f.Each(func(*condition) { n++ })
		got := f.Match(func(c *condition) bool { return (c.A == nil || *c.A == 1) && (c.B == nil || *c.B) })
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
}

func FuzzHeaderForms(f *testing.F) {
	f.Add("header:X:asGroupedAddresses:all", []byte("X: a: b@c, =?utf-8?q?=ff?= <d@e>;\r\nx: (<\r\n"))
	f.Add("header:X:asURLs", []byte("X: <a b> (c \\) <d>) <\r\n"))
	f.Add("header:X:asDate", []byte("X: Sat, 20 Nov 99999 14:22:01 +0800\r\n"))
	f.Fuzz(func(t *testing.T, property string, b []byte) {
		h, err := ParseHeaderProperty(property)
		if err != nil {
			return
		}
		header := message.ParseHeader(b)
		if _, err := json.Marshal(h.Value(header)); err != nil {
			t.Fatal(err)
		}
		for _, f := range Headers(header) {
			if f.Name == "" {
				t.Fatal("field without name")
			}
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte(`{"operator": "NOT", "conditions": [{"a": 1}, {"operator": "OR", "conditions": []}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := DecodeFilter[condition](b)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if err == nil {
			q.Match(func(c *condition) bool { return c.A != nil })
		}
	})
}
