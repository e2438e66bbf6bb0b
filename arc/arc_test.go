package arc

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/dkim"
	"mox/dns"
)

func now() time.Time { return time.Unix(1700000000, 0) }

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// hops gives servers with a key each, at <name>.example, and their DNS.
type hops struct {
	t        testing.TB
	resolver dns.MockResolver
	now      func() time.Time
}

func newHops(t testing.TB) *hops {
	return &hops{t, dns.MockResolver{AllAuthentic: true, TXT: map[string][]string{}, Fail: map[string]error{}}, now}
}

func (h *hops) options(name string) SealOptions {
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	rec, err := dkim.NewRecord(key.Public())
	if err != nil {
		h.t.Fatal(err)
	}
	h.resolver.TXT["arc._domainkey."+name+".example"] = []string{rec.String()}
	return SealOptions{
		Domain:      domain(h.t, name+".example"),
		Selector:    dkim.Selector{Name: domain(h.t, "arc"), Key: key},
		AuthResults: name + ".example; spf=pass smtp.mailfrom=a.example;\r\n\tdkim=none",
		Now:         now,
	}
}

func (h *hops) verify(msg string) Result {
	h.t.Helper()
	res, err := Verify(h.t.Context(), discard, h.resolver, Options{Now: h.now}, strings.NewReader(msg))
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

// seal verifies a message as it arrived, changes it, and returns it with a new set.
func (h *hops) seal(o SealOptions, msg string, change func(string) string) string {
	h.t.Helper()
	arrived := h.verify(msg)
	if change != nil {
		msg = change(msg)
	}
	fields, err := Seal(h.t.Context(), discard, o, arrived, strings.NewReader(msg))
	if err != nil {
		h.t.Fatal(err)
	}
	return fields + msg
}

func footer(msg string) string { return msg + "-- \r\nlist\r\n" }

const plain = "From: <a@a.example>\r\nSubject: hi\r\n\r\nHello\r\n"

func TestChain(t *testing.T) {
	h := newHops(t)
	if res := h.verify(plain); res.Status != StatusNone || res.Err != nil {
		t.Fatalf("%+v", res)
	}
	msg := h.seal(h.options("one"), plain, nil)
	res := h.verify(msg)
	if res.Status != StatusPass || res.OldestPass != 0 || len(res.Sets) != 1 || res.Domain().ASCII != "one.example" || !res.Sets[0].Authentic {
		t.Fatalf("%+v", res)
	}
	if got, want := res.Sets[0].AuthResults, "one.example; spf=pass smtp.mailfrom=a.example;\tdkim=none"; got != want {
		t.Errorf("authentication results %q, want %q", got, want)
	}
	// A list changes the body: its own signature is the oldest that holds.
	msg = h.seal(h.options("two"), msg, footer)
	msg = h.seal(h.options("three"), msg, nil)
	res = h.verify(msg)
	if res.Status != StatusPass || res.OldestPass != 2 || len(res.Sets) != 3 || res.Sets[2].Validation != StatusPass {
		t.Fatalf("%+v", res)
	}
	// A change after the last seal breaks the chain, and the next seal says so.
	res = h.verify(footer(msg))
	if res.Status != StatusFail || !errors.Is(res.Err, ErrMessage) || !errors.Is(res.Err, dkim.ErrBodyHash) || res.OldestPass != 0 {
		t.Fatalf("%+v", res)
	}
	msg = h.seal(h.options("four"), footer(msg), nil)
	res = h.verify(msg)
	if res.Status != StatusFail || !errors.Is(res.Err, ErrChainFail) || len(res.Sets) != 4 {
		t.Fatalf("%+v", res)
	}
	// Its seal is about its own set only, so that it can be checked.
	if _, err := res.Sets[3].Seal.Check(sealDigests(res.Sets[3:])[0], dkim.LookupKey(t.Context(), h.resolver, domain(t, "arc"), domain(t, "four.example"))); err != nil {
		t.Errorf("seal of the failed chain: %v", err)
	}
	// Nothing is added to that.
	if fields, err := Seal(t.Context(), discard, h.options("five"), res, strings.NewReader(msg)); fields != "" || err != nil {
		t.Errorf("%q %v", fields, err)
	}
}

func TestBroken(t *testing.T) {
	h := newHops(t)
	one := h.seal(h.options("one"), plain, nil)
	two := h.seal(h.options("two"), one, nil)
	cut := func(msg, name string) string { // removes the first field of that name
		i := strings.Index(msg, name+":")
		end := i + strings.Index(msg[i:], "\r\n")
		for strings.HasPrefix(msg[end:], "\r\n\t") {
			end += 2 + strings.Index(msg[end+2:], "\r\n")
		}
		return msg[:i] + msg[end+2:]
	}
	for name, tc := range map[string]struct {
		msg  string
		want error
	}{
		"results changed":    {strings.Replace(two, "spf=pass", "spf=fail", 1), ErrSeal},
		"unchanged":          {strings.TrimSuffix(one, plain) + plain, nil},
		"seal removed":       {cut(two, fieldSeal), ErrStructure},
		"message removed":    {cut(two, fieldMessage), ErrStructure},
		"results removed":    {cut(two, fieldResults), ErrStructure},
		"newest set removed": {cut(cut(cut(two, fieldResults), fieldMessage), fieldSeal), nil},
		"subject changed":    {strings.Replace(two, "Subject: hi", "Subject: ho", 1), ErrMessage},
		"sets of two chains": {strings.TrimSuffix(h.seal(h.options("two"), plain, nil), plain) + one, ErrStructure},
		"instance too high":  {"ARC-Seal: i=51; a=rsa-sha256; b=YQ==; cv=pass; d=x.example; s=s\r\n" + plain, ErrStructure},
		"comment":            {"ARC-Authentication-Results: (a(b)\\) c) i = 1 (d) ; x\r\n" + plain, ErrStructure},
		"open comment":       {"ARC-Authentication-Results: (a i = 1; x\r\n" + plain, ErrStructure},
		"many sets":          {strings.Repeat("ARC-Seal: i=1\r\n", 51) + plain, ErrStructure},
	} {
		res := h.verify(tc.msg)
		if !errors.Is(res.Err, tc.want) || (res.Status == StatusPass) != (tc.want == nil) || res.Temporary {
			t.Errorf("%s: %s %v, want %v", name, res.Status, res.Err, tc.want)
		}
	}
}

func TestTemporary(t *testing.T) {
	h := newHops(t)
	msg := h.seal(h.options("one"), plain, nil)
	h.resolver.Fail["txt arc._domainkey.one.example"] = nil
	if res := h.verify(msg); res.Status != StatusFail || !res.Temporary {
		t.Errorf("%+v", res)
	}
}

// countingResolver counts lookups.
type countingResolver struct {
	dns.Resolver
	n chan string
}

func (c countingResolver) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	c.n <- name
	return c.Resolver.LookupTXT(ctx, name)
}

// A chain of 50 sets passes, with one lookup a key; there is no room for another.
func TestMaxSets(t *testing.T) {
	h := newHops(t)
	o := h.options("one")
	msg := plain
	for range MaxSets {
		msg = h.seal(o, msg, nil)
	}
	counting := countingResolver{h.resolver, make(chan string, 1000)}
	res, err := Verify(t.Context(), discard, counting, Options{Now: now}, strings.NewReader(msg))
	if err != nil || res.Status != StatusPass || len(res.Sets) != MaxSets {
		t.Fatalf("%+v %v", res, err)
	}
	if n := len(counting.n); n != 1 {
		t.Errorf("%d lookups", n)
	}
	if _, err := Seal(t.Context(), discard, o, res, strings.NewReader(msg)); !errors.Is(err, ErrTooManySets) {
		t.Errorf("%v", err)
	}
}

func TestSealErrors(t *testing.T) {
	h := newHops(t)
	for _, tc := range []struct {
		change func(*SealOptions)
		want   error
	}{
		{func(o *SealOptions) { o.AuthResults = "x; spf=pass\r\nFrom: y" }, ErrAuthResults},
		{func(o *SealOptions) { o.AuthResults = "x\r\n \r\n y" }, ErrAuthResults},
		{func(o *SealOptions) { o.AuthResults = "x\x00" }, ErrAuthResults},
		{func(o *SealOptions) { o.AuthResults = "x\r y" }, ErrAuthResults},
		{func(o *SealOptions) { o.AuthResults = "" }, ErrAuthResults},
		{func(o *SealOptions) { o.Selector.Key = nil }, dkim.ErrSign},
		{func(o *SealOptions) { o.Domain = dns.Domain{} }, dkim.ErrSign},
		{func(o *SealOptions) { o.MaxHeader = 10 }, dkim.ErrHeaderTooLarge},
	} {
		o := h.options("one")
		tc.change(&o)
		if fields, err := Seal(t.Context(), discard, o, Result{Status: StatusNone}, strings.NewReader(plain)); !errors.Is(err, tc.want) || fields != "" {
			t.Errorf("%q %v, want %v", fields, err, tc.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	h := newHops(f)
	one := h.seal(h.options("one"), plain, nil)
	f.Add(one)
	f.Add(h.seal(h.options("two"), one, footer))
	f.Add("ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1;\r\n")
	f.Fuzz(func(t *testing.T, msg string) {
		h := &hops{t, h.resolver, now}
		res := h.verify(msg)
		if res.Status == StatusPass && len(res.Sets) == 0 {
			t.Errorf("pass without sets")
		}
		o := h.options("last")
		fields, err := Seal(t.Context(), discard, o, res, strings.NewReader(msg))
		if err != nil || fields == "" {
			return
		}
		// What was sealed is a chain that passes exactly if the one before did not fail.
		if again := h.verify(fields + msg); (again.Status == StatusPass) != (res.Status != StatusFail) {
			t.Errorf("%s (%v) after %s (%v)\n%s", again.Status, again.Err, res.Status, res.Err, fields)
		}
	})
}

func ExampleVerify() {
	resolver := dns.MockResolver{} // dns.StdResolver{} in a program
	res, err := Verify(context.Background(), discard, resolver, Options{}, strings.NewReader("From: <a@a.example>\r\n\r\nHello\r\n"))
	if err != nil {
		fmt.Println(err) // the message could not be read
		return
	}
	fmt.Println("arc=" + string(res.Status))
	for _, set := range res.Sets {
		fmt.Println(set.Instance, set.Domain(), set.AuthResults)
	}
	// Output: arc=none
}
