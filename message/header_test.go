package message

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const testHeader = "Received: a\r\n\tb\r\nFrom:  A <a@b>\r\nX-Empty:\r\nSubject : folded\r\n here\nreceived: c\r\nno field\r\n\r\n"

func TestHeader(t *testing.T) {
	h := ParseHeader([]byte(testHeader + "body"))
	if got := string(h.Append(nil)); got != testHeader {
		t.Errorf("unchanged: %q", got)
	}
	if n := len(h.Fields()); n != 6 {
		t.Errorf("%d fields", n)
	}
	for name, want := range map[string]string{"from": "A <a@b>", "RECEIVED": "a\tb", "Subject": "folded here", "x-empty": "", "none": "", "no field": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("Get(%s) = %q, want %q", name, got, want)
		}
	}
	if got := h.Values("Received"); len(got) != 2 || got[1] != "c" {
		t.Errorf("Values: %q", got)
	}
	if !h.Has("x-empty") || h.Has("X-Other") {
		t.Error("Has")
	}
	h.Prepend("Return-Path", "<x@y>\r\nBcc: injected")
	h.PrependRaw([]byte("Delivered-To: z\nAuth: a\r\n b"))
	h.Add("X-Last", "1")
	if n := h.Remove("RECEIVED"); n != 2 {
		t.Errorf("removed %d", n)
	}
	h.Replace("subject", "new")
	h.Replace("X-New", "2")
	want := "Delivered-To: z\nAuth: a\r\n b\r\nReturn-Path: <x@y> Bcc: injected\r\nFrom:  A <a@b>\r\nX-Empty:\r\nsubject: new\r\nno field\r\nX-Last: 1\r\nX-New: 2\r\n\r\n"
	if got := string(h.Append(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestHeaderReplaceAll(t *testing.T) {
	h := ParseHeader([]byte("A: 1\r\nB: 2\r\na: 3"))
	h.Replace("A", "4")
	if got := string(h.Append(nil)); got != "A: 4\r\nB: 2\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	h = ParseHeader([]byte("A: 1"))
	h.Add("B", "2")
	if got := string(h.Append(nil)); got != "A: 1\r\nB: 2\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	h = ParseHeader([]byte(" continues\r\nB: 2\r\n\r\n"))
	h.Prepend("A", "1")
	if got := string(h.Append(nil)); got != "A: 1\r\n\r\n continues\r\nB: 2\r\n\r\n" {
		t.Errorf("continued: %q", got)
	}
	h = ParseHeader([]byte("A: 1\r b\rC: 2\r\r"))
	if got := string(h.Append(nil)); got != "A: 1\r\n b\r\nC: 2\r\n\r\n" {
		t.Errorf("bare CR: %q", got)
	}
	if got := string((&Header{}).Append(nil)); got != "\r\n" {
		t.Errorf("empty: %q", got)
	}
}

func TestReadHeader(t *testing.T) {
	r := bytes.NewReader([]byte(testHeader + "body"))
	h, err := ReadHeader(r, 1000)
	if err != nil || h.Get("from") != "A <a@b>" || r.Len() != 4 {
		t.Errorf("%v, %d left", err, r.Len())
	}
	if _, err := ReadHeader(bytes.NewReader([]byte(testHeader)), 50); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if h, err := ReadHeader(strings.NewReader("A: b"), 50); err != nil || h.Get("a") != "b" {
		t.Errorf("no end: %v", err)
	}
}

func TestFolding(t *testing.T) {
	for _, value := range []string{
		"short", "", strings.Repeat("word ", 100), strings.Repeat("x", 3000), strings.Repeat("é", 3000),
		strings.Repeat("a", 70) + " " + strings.Repeat("b", 200) + "  c", "  spaces  ", "a\tb",
	} {
		b := appendFolded(nil, "X-Name", value)
		for i, line := range strings.Split(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
			if len(line) > 998 || len(line) > 78 && strings.Contains(strings.TrimSpace(line[min(len(line), 8):]), " ") {
				t.Errorf("line of %d bytes: %.90q", len(line), line)
			}
			if i > 0 && line[0] != ' ' && line[0] != '\t' || strings.TrimSpace(line) == "" {
				t.Errorf("line %d %q", i, line)
			}
		}
		got := ParseHeader(b).Get("x-name")
		if len(value) < 900 && got != strings.TrimSpace(value) || strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(strings.TrimSpace(value), " ", "") {
			t.Errorf("got %q, want %q", got, value)
		}
	}
}

func TestAppendHeaderFields(t *testing.T) {
	header := []byte(testHeader)
	many := []string{"From", "a", "b", "c", "d", "e", "f", "g", "h", strings.Repeat("i", 200)}
	for _, test := range []struct {
		names []string
		not   bool
		want  string
	}{
		{[]string{"FROM"}, false, "From:  A <a@b>\r\n\r\n"},
		{many, false, "From:  A <a@b>\r\n\r\n"},
		{[]string{"received", "subject"}, false, "Received: a\r\n\tb\r\nSubject : folded\r\n here\nreceived: c\r\n\r\n"},
		{[]string{"x"}, false, "\r\n"},
		{nil, true, testHeader},
		{[]string{"received", "from", "x-empty"}, true, "Subject : folded\r\n here\nno field\r\n\r\n"},
	} {
		if got := string(AppendHeaderFields(nil, header, test.names, test.not)); got != test.want {
			t.Errorf("%v %v: %q, want %q", test.names, test.not, got, test.want)
		}
	}
	for in, want := range map[string]string{
		"From: a":            "From: a\r\n\r\n",
		"From: a\n":          "From: a\n\r\n",
		"From: a\n\nbody":    "From: a\n\n",
		"":                   "\r\n",
		"From: a\rTo: b\r\r": "From: a\r\n\r\n",
	} {
		if got := string(AppendHeaderFields(nil, []byte(in), []string{"from"}, false)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	dst := make([]byte, 0, 1000)
	if n := testing.AllocsPerRun(100, func() { AppendHeaderFields(dst, header, many[:5], false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
