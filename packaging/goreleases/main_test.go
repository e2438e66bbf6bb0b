package main

import (
	"os"
	"strings"
	"testing"
)

func TestPinned(t *testing.T) {
	text, err := os.ReadFile("../" + file)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := readPair(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(replacePair(text, pair)); got != string(text) {
		t.Errorf("an update would change more than the pair:\n%s", got)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkMinimum(mod, pair[0]); err != nil {
		t.Error(err)
	}
}

func TestReadPair(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "need two releases",
		"go1.26.8\n":                         "need two releases",
		"go1.26.8\ngo1.28.0\n":               "newer by one",
		"go1.27.4\ngo1.26.8\n":               "newer by one",
		"go1.26.8\ngo1.27rc1\n":              "go1.27rc1",
		"go1.26.8\ngo1.27.0\ngo1.28.0\n":     "go1.28.0",
		"# two\n\ngo1.26.8\n go1.27.10 \n":   "",
		"go1.26.8\ngo1.27.0\n# both of 2026": "",
	} {
		_, err := readPair([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestNewestPair(t *testing.T) {
	list := strings.Fields(`golang.org/toolchain v0.0.1-go1.9.2.linux-amd64 v0.0.1-go1.26.9.linux-amd64 v0.0.1-go1.26.10.linux-amd64 v0.0.1-go1.26.11.linux-arm64
		v0.0.1-go1.27.0.linux-amd64 v0.0.1-go1.27rc1.linux-amd64 v0.0.1-go1.28rc1.linux-amd64 v0.0.1-go1.25.12.linux-amd64`)
	pair, err := newestPair(list)
	if err != nil || pair != [2]release{{26, 10}, {27, 0}} {
		t.Error(pair, err)
	}
	if pair, err := newestPair(list[:3]); err == nil {
		t.Error(pair)
	}
}

func TestJudge(t *testing.T) {
	pinned := [2]release{{26, 8}, {27, 4}}
	for _, tc := range []struct {
		newest       [2]release
		notices, err string
	}{
		{pinned, "", ""},
		{[2]release{{26, 8}, {27, 5}}, "go1.27.5 is there, tested is go1.27.4", ""},
		{[2]release{{27, 5}, {28, 0}}, "", "newest releases of Go are go1.27.5 and go1.28.0"},
		{[2]release{{26, 7}, {27, 4}}, "", "there is no go1.26.8"},
	} {
		notices, err := judge(pinned, tc.newest)
		if got := strings.Join(notices, "|"); !strings.HasPrefix(got, tc.notices) || tc.notices == "" && got != "" {
			t.Errorf("%v: %q", tc.newest, got)
		}
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%v: %v", tc.newest, err)
		}
	}
}

func TestCheckMinimum(t *testing.T) {
	older := release{26, 8}
	for mod, ok := range map[string]bool{"module a\n\ngo 1.26.0\n": true, "module a\n\ngo 1.26\n": true, "module a\n\ngo 1.26.9\n": false, "module a\n\ngo 1.27\n": false, "module a\n": false} {
		if err := checkMinimum([]byte(mod), older); (err == nil) != ok {
			t.Errorf("%q: %v", mod, err)
		}
	}
}
