package msgauth

import (
	"encoding/base64"
	"strings"

	"mox/authres"
	"mox/dkim"
	"mox/spf"
)

// Fields returns the header fields with the results, for the top of a message: one of
// Authentication-Results (RFC 8601) and those of Received-SPF (RFC 7208 9.1). With utf8
// names are in Unicode.
func (res *Results) Fields(utf8 bool) []byte {
	s := res.AuthenticationResults(utf8).Field()
	if res.SPF.Identity != "" {
		s += res.SPF.ReceivedSPF(res.args)
	} else {
		s += res.Hello.ReceivedSPF(res.args)
	}
	return []byte(s)
}

// AuthenticationResults returns the results as in that field.
func (res *Results) AuthenticationResults(utf8 bool) authres.Results {
	a := authres.Results{Hostname: res.hostname.XName(utf8)}
	a.Methods = append(a.Methods, res.iprevMethod())
	for _, d := range res.DKIM {
		a.Methods = append(a.Methods, dkimMethod(d, utf8))
	}
	if len(res.DKIM) == 0 {
		a.Methods = append(a.Methods, authres.Method{Method: "dkim", Result: "none", Reason: res.dkimProblem})
	}
	if res.SPF.Identity != "" {
		m := spfMethod(res.SPF, "mailfrom", res.SPF.Domain.XName(utf8))
		if !res.SPF.Domain.IsZero() {
			m.Props[0].Value = res.args.MailFrom.XString(utf8)
		}
		a.Methods = append(a.Methods, m)
	}
	a.Methods = append(a.Methods, spfMethod(res.Hello, "helo", res.Hello.Domain.XName(utf8)), res.dmarcMethod(utf8))
	if res.ARC.Status != "none" {
		m := authres.Method{Method: "arc", Result: string(res.ARC.Status), Reason: problem(res.ARC.Err)}
		if d := res.ARC.Domain(); !d.IsZero() {
			m.Props = []authres.Prop{{Type: "header", Property: "d", Value: d.XName(utf8)}}
		}
		a.Methods = append(a.Methods, m)
	}
	return a
}

// dnssec is the comment about whether DNSSEC vouched for what a result stands on.
func dnssec(authentic bool) string {
	if authentic {
		return "with dnssec"
	}
	return "without dnssec"
}

func (res *Results) iprevMethod() authres.Method {
	m := authres.Method{Method: "iprev", Result: res.iprev.Status, Comment: dnssec(res.iprev.Authentic)}
	if res.iprev.Name != "" {
		m.Comment = res.iprev.Name + " " + m.Comment
	}
	m.Props = []authres.Prop{{Type: "policy", Property: "iprev", Value: res.args.IP.String()}}
	return m
}

func spfMethod(r spf.Result, property, value string) authres.Method {
	m := authres.Method{Method: "spf", Result: string(r.Status), Comment: dnssec(r.Authentic), Reason: problem(r.Err)}
	if value != "" {
		m.Props = []authres.Prop{{Type: "smtp", Property: property, Value: value}}
	}
	return m
}

func dkimMethod(r dkim.Result, utf8 bool) authres.Method {
	m := authres.Method{Method: "dkim", Result: string(r.Status), Reason: problem(r.Err)}
	s := r.Signature
	if s == nil {
		return m
	}
	m.Comment = dnssec(r.Authentic)
	if r.Testing {
		m.Comment += ", domain is testing"
	}
	add := func(property, value string) {
		if value != "" {
			m.Props = append(m.Props, authres.Prop{Type: "header", Property: property, Value: value})
		}
	}
	add("d", s.Domain.XName(utf8))
	add("s", s.Selector.XName(utf8))
	add("a", s.Algorithm)
	// RFC 6008 4: enough of the signature to tell it from others.
	b := base64.StdEncoding.EncodeToString(s.Signature)
	add("b", b[:min(len(b), 8)])
	return m
}

func (res *Results) dmarcMethod(utf8 bool) authres.Method {
	d := &res.DMARC
	m := authres.Method{Method: "dmarc", Result: string(d.Status)}
	if d.Problem != "" && d.Status != "pass" {
		m.Reason = d.Problem
	}
	var comments []string
	if d.Record != nil {
		comments = append(comments, "p="+string(d.Policy))
	}
	m.Comment = strings.Join(append(comments, dnssec(d.Authentic)), " ")
	if from := res.author().Domain; !from.IsZero() {
		m.Props = []authres.Prop{{Type: "header", Property: "from", Value: from.XName(utf8)}}
	}
	return m
}
