package classifier

import (
	"fmt"
	"strings"
	"testing"
)

func TestAblate(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	kinds := map[string]func(string) bool{
		"all":       nil,
		"-msgid":    func(s string) bool { return strings.HasPrefix(s, "Message-ID:@") },
		"-return":   func(s string) bool { return strings.HasPrefix(s, "Return-Path:") },
		"-to":       func(s string) bool { return strings.HasPrefix(s, "To:") || strings.HasPrefix(s, "Cc:") },
		"-from":     func(s string) bool { return strings.HasPrefix(s, "From:") },
		"-fromaddr": func(s string) bool { return strings.HasPrefix(s, "From:") && strings.Contains(s, "@") },
		"-mailer":   func(s string) bool { return strings.HasPrefix(s, "Mailer:") },
		"-html":     func(s string) bool { return strings.HasPrefix(s, "html:") },
		"-htmlcol":  func(s string) bool { return strings.HasPrefix(s, "html:color") },
		"-urlpath":  func(s string) bool { return strings.HasPrefix(s, "url/") },
		"-url":      func(s string) bool { return strings.HasPrefix(s, "url") },
		"-odd":      func(s string) bool { return strings.Contains(s, "odd:") },
		"-num":      func(s string) bool { return strings.ContainsAny(s, "0") },
		"-type": func(s string) bool {
			return strings.HasPrefix(s, "type:") || strings.HasPrefix(s, "charset:") || strings.HasPrefix(s, "x-") || strings.HasPrefix(s, "importance") || strings.HasPrefix(s, "precedence")
		},
		"-list": func(s string) bool {
			return strings.HasPrefix(s, "List:") || strings.HasPrefix(s, "Sender:") || strings.HasPrefix(s, "precedence")
		},
		"-subject": func(s string) bool { return strings.HasPrefix(s, "Subject:") },
	}
	ss := sets(t, func(v *vocab, m *mail) {
		for k, f := range kinds {
			v.ours(m, k, Options{Onegrams: true, Twograms: true}, f)
		}
	})
	mk := func() method { return &pool{k: 40, top: 150, each: true, pow: .5, scale: 1, clamp: 4.6, rare: 0.5} }
	var tr []trial
	for k := range kinds {
		tr = append(tr, trial{"", mk, k})
	}
	table(ss, tr)
	for _, all := range ss {
		train, test := halves(all)
		f := run(mk, "all", train, test)
		fmt.Println("fp95", f.fps, "\nmiss", f.fns)
		f = playFrom(mk, "all", all, 1000)
		fmt.Println("PLAY fp95", f.fps, "\nmiss", f.fns)
	}
}
