package srs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mox/dns"
	"mox/smtp"
)

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		t.Fatal(s, err)
	}
	return p
}

var (
	fwd   = dns.Domain{ASCII: "fwd.example"}
	start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

func rewriter(at time.Time) *Rewriter {
	return &Rewriter{Key: []byte("0123456789abcdef"), Now: func() time.Time { return at }}
}

// TestVectors fixes the form: what was sent must be taken back by later versions.
func TestVectors(t *testing.T) {
	r := rewriter(start)
	for _, tc := range []struct{ from, want, back string }{
		{"user@orig.example", "SRS0=HGCRZMAS=BE=orig.example=user@fwd.example", ""},
		{"a=b=c@orig.example", "SRS0=AOGVHECC=BE=orig.example=a=b=c@fwd.example", ""},
		{`"a b"@orig.example`, `"SRS0=H2UXDWC6=BE=orig.example=a b"@fwd.example`, ""},
		{"u@bücher.example", "SRS0=DEJS76H6=BE=xn--bcher-kva.example=u@fwd.example", ""},
		{"ü@orig.example", "SRS0=HD2VA3YR=BE=orig.example=ü@fwd.example", ""},
		// Of another forwarder, and of one after it: the way back goes to the first.
		{"SRS0=HHH=TT=orig.example=user@one.example", "SRS1=BEGKHQKL6Q=one.example==HHH=TT=orig.example=user@fwd.example", ""},
		{"srs0+HHH=TT=orig.example=user@one.example", "SRS1=BEB32ITIBW=one.example=+HHH=TT=orig.example=user@fwd.example", "SRS0+HHH=TT=orig.example=user@one.example"},
		{"SRS1=GGG=one.example==HHH=TT=orig.example=user@two.example", "SRS1=BEGKHQKL6Q=one.example==HHH=TT=orig.example=user@fwd.example", "SRS0=HHH=TT=orig.example=user@one.example"},
		// Looks like it only.
		{"SRS1=x@one.example", "SRS0=4VQU7WV3=BE=one.example=SRS1=x@fwd.example", ""},
		{"SRS0@one.example", "SRS0=PZOS22V4=BE=one.example=SRS0@fwd.example", ""},
	} {
		from := path(t, tc.from)
		got, err := r.Forward(from, fwd)
		if err != nil || got.String() != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.from, got, err, tc.want)
			continue
		}
		want := from
		if tc.back != "" {
			want = path(t, tc.back)
		}
		for _, l := range []smtp.Localpart{got.Localpart, smtp.Localpart(strings.ToLower(string(got.Localpart)))} {
			if back, err := r.Reverse(l); err != nil || !strings.EqualFold(back.String(), want.String()) {
				t.Errorf("%s: %s back is %s, %v", tc.from, l, back, err)
			}
		}
		if back, _ := r.Reverse(got.Localpart); back != want {
			t.Errorf("%s back is %s", tc.from, back)
		}
	}
}

func TestForwardErrors(t *testing.T) {
	r := rewriter(start)
	for from, want := range map[string]error{
		"":             ErrSender,
		"a@[10.0.0.1]": ErrSender,
		"postmaster":   ErrSender,
		strings.Repeat("x", 64) + "@" + strings.Repeat("y", 40) + ".example": ErrTooLong,
	} {
		var p smtp.Path
		if from != "" && from != "postmaster" {
			p = path(t, from)
		} else if from != "" {
			p.Localpart = "postmaster"
		}
		if got, err := r.Forward(p, fwd); !errors.Is(err, want) {
			t.Errorf("%s: %s, %v", from, got, err)
		}
	}
}

func TestReverseErrors(t *testing.T) {
	r := rewriter(start)
	good, err := r.Forward(path(t, "user@orig.example"), fwd)
	if err != nil {
		t.Fatal(err)
	}
	s := string(good.Localpart)
	again, err := r.Forward(path(t, "SRS0=HHH=TT=orig.example=user@one.example"), fwd)
	if err != nil {
		t.Fatal(err)
	}
	s1 := string(again.Localpart)
	for l, want := range map[string]error{
		"":                                      ErrForm,
		"user":                                  ErrForm,
		"SRS0":                                  ErrForm,
		"SRS0=":                                 ErrForm,
		"SRS0=a=b=c":                            ErrForm,
		"SRS1=a=b=c":                            ErrForm,
		"SRS1==b==c":                            ErrForm,
		"SRS0=a=BC=..=c":                        ErrForm,
		"SRS0=a=B=x.example=c":                  ErrForm,
		"SRS0=" + strings.Repeat("x", 200):      ErrForm,
		strings.Replace(s, "=", "+", 1):         ErrForm,
		strings.Replace(s, "orig", "other", 1):  ErrForged,
		strings.Replace(s, "=user", "=root", 1): ErrForged,
		strings.Replace(s, "=BE=", "=BF=", 1):   ErrForged,
		"SRS0==BE=orig.example=user":            ErrForged,
		strings.Replace(s1, "=one", "=two", 1):  ErrForged,
		strings.Replace(s1, "=BE", "=BF", 1):    ErrForged,
	} {
		if p, err := r.Reverse(smtp.Localpart(l)); !errors.Is(err, want) {
			t.Errorf("%s: %s, %v, want %v", l, p, err, want)
		}
	}
	// Another server's key.
	if _, err := (&Rewriter{Key: []byte("another key, it is"), Now: r.Now}).Reverse(good.Localpart); !errors.Is(err, ErrForged) {
		t.Error(err)
	}
}

func TestExpired(t *testing.T) {
	for _, from := range []string{"user@orig.example", "SRS0=HHH=TT=orig.example=user@one.example"} {
		good, err := rewriter(start).Forward(path(t, from), fwd)
		if err != nil {
			t.Fatal(err)
		}
		for days, want := range map[int]error{-2: ErrExpired, -1: nil, 0: nil, 10: nil, 11: ErrExpired, 500: ErrExpired, 1000: ErrExpired} {
			if _, err := rewriter(start.AddDate(0, 0, days)).Reverse(good.Localpart); !errors.Is(err, want) {
				t.Errorf("%s after %d days: %v", from, days, err)
			}
		}
	}
}

// FuzzReverse: nothing is taken back that was not made here, and what is made is taken back.
func FuzzReverse(f *testing.F) {
	f.Add("SRS0=HGCRZMAS=BE=orig.example=user", "orig.example")
	f.Add("SRS1=BEGKHQKL6Q=one.example==HHH=TT=orig.example=user", "two.example")
	f.Add("srs0+", "x.example")
	f.Fuzz(func(t *testing.T, l, domain string) {
		r := rewriter(start)
		if p, err := r.Reverse(smtp.Localpart(l)); err == nil {
			if again, err := r.Forward(p, fwd); err != nil || len(again.Localpart) > smtp.MaxLocalpartLax {
				t.Errorf("%q is %s, which is %s, %v", l, p, again, err)
			}
		}
		d, err := dns.ParseDomain(domain)
		if err != nil {
			return
		}
		from := smtp.Path{Localpart: smtp.Localpart(l), IPDomain: smtp.IPDomain{Domain: d}}
		got, err := r.Forward(from, fwd)
		if err != nil {
			return
		}
		back, err := r.Reverse(got.Localpart)
		if err != nil || !Is(from.Localpart) && back != from {
			t.Errorf("%v is %s, which is %v, %v", from, got, back, err)
		}
	})
}
