package dkim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

const plain = "From: <a@example.org>\r\nSubject: hi\r\n\r\nHello\r\n"

// resign makes the signature field of a message over with tags changed, as a signer that
// writes other tags would.
func resign(t testing.TB, s Selector, msg string, change func(Tags) Tags) string {
	t.Helper()
	m, err := ReadMessage(strings.NewReader(msg), 0)
	if err != nil {
		t.Fatal(err)
	}
	digests, err := m.HashBody([]BodyFormat{s.BodyFormat()})
	if err != nil {
		t.Fatal(err)
	}
	sum := digests[s.BodyFormat()].Sum
	tags := append(Tags{{"v", "1"}}, s.Tags(domain(t, "example.org"), false)...)
	tags = append(tags, Tag{"h", strings.Join(s.SignedHeaders(m), ":")}, Tag{"bh", base64.StdEncoding.EncodeToString(sum[:])})
	tags = append(change(tags), Tag{"b", ""})
	field := FormatField("DKIM-Signature", tags)
	sig := &Signature{HeaderCanonicalization: s.header()}
	h, _ := tags.Get("h")
	sig.SignedHeaders = list(h)
	b, err := s.SignDigest(m.HeaderDigest(sig, []byte(field)))
	if err != nil {
		t.Fatal(err)
	}
	return FormatSignature(field, b) + msg
}

func set(name, value string) func(Tags) Tags {
	return func(tags Tags) Tags {
		for i := range tags {
			if tags[i].Name == name {
				tags[i].Value = value
				return tags
			}
		}
		return append(tags, Tag{name, value})
	}
}

func unset(name string) func(Tags) Tags {
	return func(tags Tags) (l Tags) {
		for _, t := range tags {
			if t.Name != name {
				l = append(l, t)
			}
		}
		return l
	}
}

// Signatures that a signer could have made otherwise, with the key being fine.
func TestSignatureTags(t *testing.T) {
	s := Selector{Name: domain(t, "sel"), Key: ed25519Key(t)}
	txt := recordText(t, s.Key)
	sum := func(body string, n int) string {
		m, _ := ReadMessage(strings.NewReader("\r\n"+body), 0)
		d, err := m.HashBody([]BodyFormat{{Relaxed, int64(n)}})
		if err != nil {
			t.Fatal(err)
		}
		h := d[BodyFormat{Relaxed, int64(n)}].Sum
		return base64.StdEncoding.EncodeToString(h[:])
	}
	both := func(a, b func(Tags) Tags) func(Tags) Tags { return func(t Tags) Tags { return b(a(t)) } }
	at := func(sec int64) string { return fmt.Sprint(now().Unix() + sec) }
	for name, tc := range map[string]struct {
		change func(Tags) Tags
		want   error // nil for pass
	}{
		"as it is":                 {func(t Tags) Tags { return t }, nil},
		"unknown tag":              {set("r", "y"), nil},
		"copied headers":           {set("z", "From:a=20b|Subject:=zz"), nil},
		"no canonicalization":      {unset("c"), ErrSignature},
		"half canonicalization":    {set("c", "relaxed"), nil}, // the body is the same in simple
		"unknown canonical":        {set("c", "nowsp"), ErrSyntax},
		"version 2":                {set("v", "2"), ErrVersion},
		"no version":               {unset("v"), ErrSyntax},
		"no body hash":             {unset("bh"), ErrSyntax},
		"short body hash":          {set("bh", "YWJj"), ErrSyntax},
		"body hash no base64":      {set("bh", "!!"), ErrSyntax},
		"other body hash":          {set("bh", sum("Bye\r\n", -1)), ErrBodyHash},
		"sha1":                     {set("a", "rsa-sha1"), ErrHistoric},
		"unknown algorithm":        {set("a", "ecdsa-sha512"), ErrAlgorithm},
		"no algorithm":             {set("a", "x"), ErrSyntax},
		"rsa for ed25519 key":      {set("a", "rsa-sha256"), ErrKeyAlgorithm},
		"no domain":                {unset("d"), ErrSyntax},
		"bad domain":               {set("d", "example..org"), ErrSyntax},
		"other domain":             {set("d", "example.com"), ErrNoKey},
		"long domain":              {set("d", strings.Repeat("a.", 120)+"example.org"), ErrNoKey},
		"no selector":              {set("s", ""), ErrSyntax},
		"upper case":               {both(set("d", "Example.ORG"), set("s", "SEL")), nil},
		"from not signed":          {set("h", "Subject:To"), ErrFromMissing},
		"from twice":               {set("h", "From:Subject:From"), nil},
		"empty names":              {set("h", "From::Subject:"), nil},
		"signature field signed":   {set("h", "From:DKIM-Signature"), nil},
		"no fields":                {set("h", ":"), ErrSyntax},
		"bad field name":           {set("h", "From:a b"), ErrSyntax},
		"identity":                 {set("i", "me=3Dyou@sub.example.org"), nil},
		"identity of a sibling":    {set("i", "a@badexample.org"), ErrIdentity},
		"identity of the parent":   {set("i", "a@org"), ErrIdentity},
		"identity without at":      {set("i", "example.org"), ErrSyntax},
		"identity with bad qp":     {set("i", "=4@example.org"), ErrSyntax},
		"identity with line end":   {set("i", "=0Aa@example.org"), ErrSyntax},
		"query":                    {set("q", "x/y : DNS/TXT"), nil},
		"query options":            {set("q", "dns/txt:other"), nil},
		"query dns":                {set("q", "dns"), nil},
		"unknown query":            {set("q", "https/x"), ErrQuery},
		"expires later":            {set("x", at(10)), nil},
		"expired":                  {set("x", at(-10)), ErrExpired},
		"expires before signed":    {both(set("t", at(-5)), set("x", at(-5))), ErrTimes},
		"signed just now":          {set("t", at(300)), nil},
		"signed in the future":     {set("t", at(3600)), ErrFuture},
		"signed far in the future": {set("t", strings.Repeat("9", 70)), ErrFuture},
		"endless":                  {set("x", strings.Repeat("9", 70)), nil},
		"negative time":            {set("t", "-1"), ErrSyntax},
		"time with space":          {set("t", "1 2"), ErrSyntax},
		"length of all":            {set("l", "7"), nil},
		"length of part":           {both(set("l", "3"), set("bh", sum("Hello\r\n", 3))), ErrBodyPartial},
		"length of nothing":        {both(set("l", "0"), set("bh", sum("Hello\r\n", 0))), ErrBodyPartial},
		"length of more":           {set("l", "8"), ErrBodyHash},
		"length of far more":       {set("l", strings.Repeat("9", 76)), ErrBodyHash},
		"length too long":          {set("l", strings.Repeat("9", 77)), ErrSyntax},
	} {
		r := verifyOne(t, resign(t, s, plain, tc.change), txt)
		if !errors.Is(r.Err, tc.want) || r.Status != StatusOf(tc.want) || r.BodyPartial != (tc.want == ErrBodyPartial) {
			t.Errorf("%s: %s (%v), want %v", name, r.Status, r.Err, tc.want)
		}
		if r.Signature != nil {
			r.Signature.Times()
		}
	}
}

// Key records, for a signature that is fine.
func TestKeyRecords(t *testing.T) {
	ed := Selector{Name: domain(t, "sel"), Key: ed25519Key(t)}
	sub := resign(t, ed, plain, set("i", "@sub.example.org"))
	_, p, _ := strings.Cut(recordText(t, ed.Key), "k=ed25519;")
	const other = "p=zrTv1Yw0E3oJ2vBnnlc0Nd8K3b2mzqTnqyp5A1r5bYw="
	rsaP := strings.TrimPrefix(recordText(t, rsaKey1024(t)), "v=DKIM1;h=sha256;")
	for name, tc := range map[string]struct {
		txt  []string
		want error
	}{
		"as it is":           {[]string{"v=DKIM1;k=ed25519;" + p}, nil},
		"without version":    {[]string{"k=ed25519; " + p}, nil},
		"white space":        {[]string{" v = DKIM1 ; k = ed25519 ; p = " + strings.Join(strings.Split(p[2:], "M"), "M ") + " ; "}, nil},
		"version not first":  {[]string{"k=ed25519;v=DKIM1;" + p}, ErrKeySyntax},
		"other version":      {[]string{"v=DKIM1.0;k=ed25519;" + p}, ErrKeySyntax},
		"notes":              {[]string{"v=DKIM1;k=ed25519;n=a=20b c;x=y;" + p}, nil},
		"hash":               {[]string{"v=DKIM1;h= sha1 : sha256;k=ed25519;" + p}, nil},
		"other hash":         {[]string{"v=DKIM1;h=sha1;k=ed25519;" + p}, ErrKeyHash},
		"service":            {[]string{"v=DKIM1;s=x:email;k=ed25519;" + p}, nil},
		"any service":        {[]string{"v=DKIM1;s=*;k=ed25519;" + p}, nil},
		"other service":      {[]string{"v=DKIM1;s=tlsrpt;k=ed25519;" + p}, ErrKeyService},
		"strict":             {[]string{"v=DKIM1;t=s;k=ed25519;" + p}, ErrKeyStrict},
		"unknown flags":      {[]string{"v=DKIM1;t=a:b;k=ed25519;" + p}, nil},
		"revoked":            {[]string{"v=DKIM1;k=ed25519;p="}, ErrKeyRevoked},
		"no key":             {[]string{"v=DKIM1;k=ed25519"}, ErrKeySyntax},
		"no record":          {nil, ErrNoKey},
		"unknown type":       {[]string{"v=DKIM1;k=x;" + p}, ErrKeyAlgorithm},
		"ed25519 as rsa":     {[]string{"v=DKIM1;" + p}, ErrKeySyntax},
		"rsa":                {[]string{"v=DKIM1;" + rsaP}, ErrKeyAlgorithm},
		"short key":          {[]string{"v=DKIM1;k=ed25519;p=YWJj"}, ErrKeySyntax},
		"not base64":         {[]string{"v=DKIM1;k=ed25519;p=!"}, ErrKeySyntax},
		"other key":          {[]string{"v=DKIM1;k=ed25519;" + other}, ErrSignature},
		"other records":      {[]string{"v=spf1 -all", "hello", "v=DKIM1;k=ed25519;" + p}, nil},
		"only other records": {[]string{"v=spf1 -all"}, ErrKeySyntax},
		"two keys":           {[]string{"v=DKIM1;" + rsaP, "v=DKIM1;k=ed25519;" + other, "v=DKIM1;k=ed25519;" + p}, nil},
		"two wrong keys":     {[]string{"v=DKIM1;" + rsaP, "v=DKIM1;k=ed25519;" + other}, ErrSignature},
	} {
		if r := verifyOne(t, sub, tc.txt...); !errors.Is(r.Err, tc.want) || r.Status != StatusOf(tc.want) {
			t.Errorf("%s: %s (%v), want %v", name, r.Status, r.Err, tc.want)
		}
	}
	r := verifyOne(t, resign(t, ed, plain, func(t Tags) Tags { return t }), "v=DKIM1;t=s:y;k=ed25519;"+p)
	if r.Status != StatusPass || !r.Testing || !r.Record.Strict() {
		t.Errorf("testing: %+v", r)
	}
}

func TestRSAKeySizes(t *testing.T) {
	for _, tc := range []struct {
		record string
		want   error
	}{
		// 512 bits.
		{"v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIWmlgix/84GJ+dfgjm7LTc9EPdfkftlgiPpCq4/kbDAZmU0VvYKDljjleJ1dfvS+CGy9U/kk1tG3EeEvb82xAcCAwEAAQ==", ErrKeySize},
		{recordText(t, rsaKey1024(t)), nil},
		// RFC 6376 3.6.1: RSAPublicKey alone.
		{"p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&rsaKey1024(t).PublicKey)), nil},
	} {
		s := Selector{Key: rsaKey1024(t)}
		if r := verifyOne(t, mustSign(t, s, plain)+plain, tc.record); !errors.Is(r.Err, tc.want) {
			t.Errorf("%s: %v, want %v", r.Status, r.Err, tc.want)
		}
	}
}

// Changes of a message after it was signed.
func TestChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		selector Selector
		msg      string
		change   func(string) string
		want     error
	}{
		"second From on top":         {Selector{}, plain, func(m string) string { return "From: <ceo@example.com>\r\n" + m }, ErrFromExtra},
		"second From, sealed":        {Selector{Seal: true}, plain, func(m string) string { return "From: <ceo@example.com>\r\n" + m }, ErrSignature},
		"From with other name form":  {Selector{}, plain, func(m string) string { return "fRoM\t: <ceo@example.com>\r\n" + m }, ErrFromExtra},
		"From after byte order mark": {Selector{}, plain, func(m string) string { return "\xef\xbb\xbfFrom: <ceo@example.com>\r\n" + m }, ErrFromExtra},
		"Subject added, sealed":      {Selector{Seal: true}, "From: x\r\n\r\n", func(m string) string { return "Subject: x\r\n" + m }, ErrSignature},
		"Subject added":              {Selector{}, "From: x\r\n\r\n", func(m string) string { return "Subject: x\r\n" + m }, nil},
		"a line that is no field":    {Selector{}, plain, func(m string) string { return "From: <ceo@example.com>\r\nGive me money\r\n" + m }, nil},
		"trace fields":               {Selector{Seal: true}, plain, func(m string) string { return "Received: x\r\nAuthentication-Results: y\r\n" + m }, nil},
		"footer":                     {Selector{}, plain, func(m string) string { return m + "-- \r\n" }, ErrBodyHash},
		"empty lines at the end":     {Selector{BodyCanonicalization: Simple}, plain, func(m string) string { return m + "\r\n\r\n" }, nil},
		"no line end":                {Selector{BodyCanonicalization: Simple}, plain, func(m string) string { return strings.TrimSuffix(m, "\r\n") }, nil},
		"bare LF":                    {Selector{HeaderCanonicalization: Simple, BodyCanonicalization: Simple}, plain, func(m string) string { return strings.ReplaceAll(m, "\r\n", "\n") }, nil},
		"white space, relaxed":       {Selector{}, plain, func(m string) string { return strings.ReplaceAll(m, "Subject: hi", "SUBJECT:\r\n\t hi ") }, nil},
		"white space, simple":        {Selector{HeaderCanonicalization: Simple}, plain, func(m string) string { return strings.ReplaceAll(m, "Subject: hi", "Subject:  hi") }, ErrSignature},
		"body space, relaxed":        {Selector{}, plain, func(m string) string { return strings.ReplaceAll(m, "Hello", "Hello  ") }, nil},
		"body space, simple":         {Selector{BodyCanonicalization: Simple}, plain, func(m string) string { return strings.ReplaceAll(m, "Hello", "Hello ") }, ErrBodyHash},
		"no body":                    {Selector{}, "From: x\r\n\r\n", func(m string) string { return strings.TrimSuffix(m, "\r\n") }, nil},
		"8 bit":                      {Selector{}, "From: x\r\nSubject: \xfc\xff\r\n\r\n\xe4\x00\r\n", func(m string) string { return m }, nil},
		"mailbox file":               {Selector{}, plain, func(m string) string { return "From a@b Mon\r\n" + m }, nil},
	} {
		s := tc.selector
		s.Key = ed25519Key(t)
		changed := tc.change(mustSign(t, s, tc.msg) + tc.msg)
		if name == "a line that is no field" {
			// For a reader the header ends at that line, and so it does here.
			m, err := ReadMessage(strings.NewReader(changed), 0)
			if err != nil || m.Count("DKIM-Signature") != 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		r := verifyOne(t, changed, recordText(t, s.Key))
		if !errors.Is(r.Err, tc.want) || r.Status != StatusOf(tc.want) {
			t.Errorf("%s: %s (%v), want %v", name, r.Status, r.Err, tc.want)
		}
		if name == "Subject added" && r.SubjectSigned {
			t.Errorf("%s: SubjectSigned", name)
		}
	}
}

// slowResolver counts its lookups, which never end by themselves.
type slowResolver struct {
	dns.Resolver
	n *atomic.Int32
}

func (r slowResolver) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	r.n.Add(1)
	<-ctx.Done()
	return nil, dns.Result{}, &dns.Error{Name: name, Type: "txt", Timeout: true, Err: ctx.Err()}
}

// All lookups run together, each key once, and end at the deadline.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ed := Selector{Name: domain(t, "sel"), Key: ed25519Key(t)}
		msg := plain
		for _, selector := range []string{"a", "b", "a", "c"} {
			msg = resign(t, ed, msg, set("s", selector))
		}
		n := new(atomic.Int32)
		start := time.Now()
		var observed []string
		o := Options{Timeout: 5 * time.Second, Observe: func(alg string, s Status, d time.Duration) { observed = append(observed, fmt.Sprint(alg, s, d)) }}
		results, err := Verify(t.Context(), discard, slowResolver{nil, n}, o, strings.NewReader(msg))
		if err != nil || len(results) != 4 || n.Load() != 3 || time.Since(start) != 5*time.Second {
			t.Errorf("%v %v, %d lookups, %s", results, err, n.Load(), time.Since(start))
		}
		for _, r := range results {
			if r.Status != StatusTemperror || !errors.Is(r.Err, ErrKeyLookup) || r.Domain().ASCII != "example.org" {
				t.Errorf("%+v", r)
			}
		}
		if len(observed) != 4 || observed[0] != "ed25519-sha256temperror5s" {
			t.Errorf("%q", observed)
		}
	})
}

func TestManySignatures(t *testing.T) {
	ed := Selector{Name: domain(t, "sel"), Key: ed25519Key(t)}
	msg := plain
	for range 12 {
		msg = resign(t, ed, msg, func(t Tags) Tags { return t })
	}
	resolver := dns.MockResolver{TXT: map[string][]string{"sel._domainkey.example.org": {recordText(t, ed.Key)}}}
	results, err := Verify(t.Context(), discard, resolver, Options{Now: now}, strings.NewReader(msg))
	if err != nil || len(results) != 12 {
		t.Fatal(results, err)
	}
	for i, r := range results {
		if i < 10 && r.Status != StatusPass || i >= 10 && !errors.Is(r.Err, ErrTooMany) {
			t.Errorf("%d: %s %v", i, r.Status, r.Err)
		}
	}
}

// failingReader fails after some bytes.
type failingReader struct{ s string }

func (r failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r.s)) {
		return 0, io.ErrUnexpectedEOF
	}
	if n := copy(p, r.s[off:]); n == len(p) {
		return n, nil
	} else {
		return n, io.ErrUnexpectedEOF
	}
}

func TestReadErrors(t *testing.T) {
	msg := mustSign(t, Selector{Key: ed25519Key(t)}, plain) + plain
	for _, r := range []io.ReaderAt{failingReader{msg}, failingReader{msg + strings.Repeat("x", 1<<17)}} {
		if _, err := Verify(t.Context(), discard, dns.MockResolver{}, Options{}, r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v", err)
		}
	}
	for _, header := range []string{strings.Repeat("X: y\r\n", 1<<18), "X: " + strings.Repeat("y", 3<<20), strings.Repeat("y", 3<<20)} {
		if _, err := Verify(t.Context(), discard, dns.MockResolver{}, Options{}, strings.NewReader("X: y\r\n "+header)); !errors.Is(err, ErrHeaderTooLarge) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(crlf(rfc8463Signatures + rfc8463Header + rfcBody))
	f.Add(mustSign(f, Selector{Key: ed25519Key(f), Seal: true}, plain) + plain)
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; b=YQ==; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; d=football.example.com; s=test; h=from:from; l=3; i=a@b\nFrom: x\n\nabc")
	resolver := rfc8463Resolver()
	f.Fuzz(func(t *testing.T, msg string) {
		results, err := Verify(t.Context(), discard, resolver, Options{}, strings.NewReader(msg))
		if err != nil {
			return
		}
		for _, r := range results {
			if (r.Status == StatusPass) != (r.Err == nil) || r.Status == StatusPass && (r.Signature == nil || r.Record == nil || !r.FromSigned) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// What is signed verifies, with every canonicalization.
func FuzzSignVerify(f *testing.F) {
	f.Add(plain, false, false, true)
	f.Add("From: x\n y\nSubject:\r\r\n \n\n a \n\n", true, false, false)
	f.Fuzz(func(t *testing.T, msg string, simpleHeader, simpleBody, seal bool) {
		s := Selector{Name: domain(t, "sel"), Key: ed25519Key(t), Seal: seal, HeaderCanonicalization: Relaxed, BodyCanonicalization: Relaxed}
		if simpleHeader {
			s.HeaderCanonicalization = Simple
		}
		if simpleBody {
			s.BodyCanonicalization = Simple
		}
		fields, err := Sign(t.Context(), discard, SignOptions{Domain: domain(t, "example.org"), Now: now}, []Selector{s}, strings.NewReader(msg))
		if err != nil {
			return
		}
		resolver := dns.MockResolver{TXT: map[string][]string{"sel._domainkey.example.org": {recordText(t, s.Key)}}}
		results, err := Verify(t.Context(), discard, resolver, Options{Now: now}, strings.NewReader(fields+msg))
		if err != nil || len(results) == 0 || results[0].Status != StatusPass {
			t.Errorf("%+v %v\n%s", results, err, fields)
		}
	})
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// benchMessage is a message of about that size, of lines of words.
func benchMessage(size int) string {
	line := "Some words of a message in lines as people write, about seventy bytes.\r\n"
	return "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: A <a@example.org>\r\nTo: B <b@example.com>\r\nSubject: words\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-Id: <1@example.org>\r\nContent-Type: text/plain\r\n\r\n" +
		strings.Repeat(line, size/len(line))
}

func bench(b *testing.B, run func(b *testing.B, msg string, s Selector)) {
	key := newRSAKey(b)
	for _, size := range []int{10 << 10, 1 << 20} {
		msg := benchMessage(size)
		for name, s := range map[string]Selector{
			"rsa2048-relaxed": {Key: key}, "rsa2048-simple": {Key: key, HeaderCanonicalization: Simple, BodyCanonicalization: Simple}, "ed25519-relaxed": {Key: ed25519Key(b)},
		} {
			s.Name, s.Seal = domain(b, "sel"), true
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(len(msg)))
				b.ReportAllocs()
				run(b, msg, s)
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	bench(b, func(b *testing.B, msg string, s Selector) {
		signed := mustSign(b, s, msg) + msg
		resolver := dns.MockResolver{TXT: map[string][]string{"sel._domainkey.example.org": {recordText(b, s.Key)}}}
		for b.Loop() {
			results, err := Verify(b.Context(), discard, resolver, Options{Now: now}, strings.NewReader(signed))
			if err != nil || results[0].Status != StatusPass {
				b.Fatal(results, err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	bench(b, func(b *testing.B, msg string, s Selector) {
		for b.Loop() {
			mustSign(b, s, msg)
		}
	})
}

func ExampleVerify() {
	msg, err := os.Open("message.eml")
	if err != nil {
		return
	}
	defer msg.Close()
	results, err := Verify(context.Background(), discard, dns.StdResolver{}, Options{}, msg)
	if err != nil {
		fmt.Println(err) // the message could not be read
		return
	}
	for _, r := range results {
		fmt.Println(r.Domain(), r.Status, r.Err)
	}
}
