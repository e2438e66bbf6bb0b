package sconf

import (
	"strings"
	"testing"
	"time"
)

func parseSample(t *testing.T) (*Doc, *conf) {
	t.Helper()
	c := &conf{}
	d, err := Parse([]byte(sample), "f", c)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestSet(t *testing.T) {
	d, c := parseSample(t)
	c.Accounts["a"] = account{Filter: &filter{}}
	for path, text := range map[string]string{
		"Level": "debug", "Wait": "5m", "SMTP Enabled": "false", "Names": "x, y", "Accounts a Domain": "example.org",
		"Accounts a Filter Threshold": "0.5", "Accounts a Tickets": "true",
	} {
		if err := d.Set(c, strings.Fields(path), text, "$X"); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	a := c.Accounts["a"]
	if c.Level != "debug" || c.Wait != 5*time.Minute || c.SMTP.Enabled || c.SMTP.Port != 1025 || strings.Join(c.Names, "|") != "x|y" ||
		a.Domain != "example.org" || a.Filter.Threshold != 0.5 || a.Tickets == nil || !*a.Tickets {
		t.Errorf("%+v", c)
	}
	if err := d.Set(c, Path{"Names"}, "", "$X"); err != nil || len(c.Names) != 0 {
		t.Error(err, c.Names)
	}
	if got := d.Errorf(Path{"Level"}, "bad").Error(); got != "$X: Level: bad" {
		t.Error(got)
	}
	if got := d.Errorf(Path{"Names", "[0]"}, "bad").Error(); got != "$X: Names[0]: bad" {
		t.Error(got)
	}
	if got := d.Errorf(Path{"Size"}, "bad").Error(); got != "f:6: Size: bad" {
		t.Error(got)
	}
}

func TestSetErrors(t *testing.T) {
	d, c := parseSample(t)
	c.Accounts = map[string]account{"alice": {}}
	for path, want := range map[string]string{
		"Levle":                    `unknown field "Levle"; did you mean "Level"?`,
		"SMTP":                     "has fields, of which one is to be named",
		"Accounts":                 "has keys with values, of which one is to be named",
		"Nested":                   "has list items, of which one is to be named",
		"Level x":                  `there is nothing below this: "x"`,
		"SMTP Port":                `bad number "text", must be an integer`,
		"Accounts alcie Domain":    `the file has no "alcie"; did you mean "alice"?`,
		"Accounts alice Filter X":  "there is no such section in the file",
		"Accounts alice Tickets":   `bad boolean "text", must be true or false`,
		"Computed":                 `unknown field "Computed"`,
		"SMTP Port deeper":         `there is nothing below this: "deeper"`,
		"Accounts alice Rules":     "has list items, of which one is to be named",
		"Accounts alice Rules [0]": `there is nothing below this: "[0]"`,
	} {
		err := d.Set(c, strings.Fields(path), "text", "$X")
		if err == nil || err.Msg != want || err.File != "$X" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := d.Set(c, Path{"Level"}, "two\nlines", "$X"); err == nil {
		t.Error("two lines are one")
	}
}

func FuzzSet(f *testing.F) {
	f.Add("Level", "x")
	f.Add("Accounts__a__Filter__Params__Top", "1")
	f.Add("Names", "a,b")
	f.Fuzz(func(t *testing.T, path, text string) {
		d, c := parseSample(t)
		_ = d.Set(c, strings.Split(path, "__"), text, "")
	})
}
