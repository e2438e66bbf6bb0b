package outbound

import (
	"testing"

	"mox/smtpclient"
)

// A server that refuses the content says nothing about those it was for, unless it does.
func TestContentRefused(t *testing.T) {
	for _, tc := range []struct {
		verb string
		code int
		enh  string
		own  bool
	}{
		{smtpclient.VerbEnd, 550, "5.7.1", true},
		{smtpclient.VerbEnd, 554, "", true},
		{"BDAT", 550, "5.6.0", true},
		{smtpclient.VerbEnd, 550, "5.1.1", false},
		{"BDAT", 550, "5.2.1", false},
		{smtpclient.VerbEnd, 451, "4.7.1", false},
		{"RCPT", 550, "5.7.1", false},
		{"RCPT", 550, "", false},
	} {
		f := fromError(&smtpclient.Error{Verb: tc.verb, Code: tc.code, Enhanced: tc.enh, Permanent: tc.code >= 500, Text: "no"}, "mx.test", "192.0.2.1")
		if f.own != tc.own {
			t.Errorf("%s %d %s: own %v", tc.verb, tc.code, tc.enh, f.own)
		}
	}
}
