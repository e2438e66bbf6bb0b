package tracelog

import (
	"fmt"
	"net/netip"
	"time"

	"mox/trace"
)

// epoch is when the tests play.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// sample is trace i: every third is refused, every fifth has the facts of RCPT only.
func sample(i int) *trace.Trace {
	from := fmt.Sprintf("person%d@sender%d.example", i, i%97)
	rcpt := fmt.Sprintf("user%d@recipient.example", i%50)
	t := &trace.Trace{
		Version: trace.Version, Time: epoch.Add(time.Duration(i) * time.Second), ID: fmt.Sprintf("id%020d", i), Account: fmt.Sprintf("user%d", i%50),
		Facts: trace.Facts{
			Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Hello: fmt.Sprintf("mx%d.sender%d.example", i%7, i%97), TLS: "TLS1.3",
			IPRev:    &trace.IPRev{Status: "pass", Name: fmt.Sprintf("mx%d.sender%d.example", i%7, i%97)},
			MailFrom: fmt.Sprintf("bounces+%d@mail.sender%d.example", i*7919, i%97), RcptTo: rcpt,
		},
	}
	f, v := &t.Facts, &t.Verdict
	f.SPF = []trace.SPF{{Identity: "mailfrom", Domain: fmt.Sprintf("mail.sender%d.example", i%97), Status: "pass", Mechanism: "ip4:192.0.2.0/24"}, {Identity: "helo", Domain: f.Hello, Status: "none"}}
	if i%5 == 4 {
		*v = trace.Verdict{Action: trace.Reject, Reason: "high-rate", Code: 452, Enhanced: "4.7.0",
			Text:  "too much mail from your network for this recipient (500 in a minute), try again later",
			Steps: []trace.Step{{Check: "high-rate", Effect: "-", Text: "too much mail from network: 500 in a minute"}}}
		return t
	}
	f.From, f.MessageID, f.Subject, f.Size = from, fmt.Sprintf("<%x.%d@Sender%d.example>", i*104729, i, i%97), fmt.Sprintf("Your order %d is on its way", i*31), int64(20_000+i)
	f.OrgDomain, f.Validation, f.Mailbox = fmt.Sprintf("sender%d.example", i%97), trace.ValidationDMARC, "Inbox"
	f.DKIM = []trace.DKIM{{Domain: f.OrgDomain, Selector: "s2025", Status: "pass"}, {Domain: "esp.example", Selector: "k1", Status: "pass"}}
	f.DMARC = &trace.DMARC{Status: "pass", Domain: f.OrgDomain, Policy: "quarantine"}
	f.ARC = &trace.ARC{Status: "none"}
	f.DNSBL = &[]trace.DNSBL{{Zone: "zen.bl.example", Status: "pass"}, {Zone: "bl.other.example", Status: "pass"}}
	f.Reputation = &trace.Reputation{Method: "none"}
	f.Words = &trace.Words{Probability: float64(i%1000) / 1003, Significant: true}
	for k := range 10 {
		f.Words.Top = append(f.Words.Top, trace.Word{Text: fmt.Sprintf("word%d", i*(k+3)%5003), Probability: float64(i*(k+1)%9973) / 9973, Ham: uint32(i % 37), Junk: uint32(i * k % 41)})
	}
	*v = trace.Verdict{Action: trace.Accept, Reason: "no-bad-signals", Mailbox: "Inbox", First: true, Delay: 15 * time.Second, Steps: []trace.Step{
		{Check: "dmarc", Effect: "+", Text: from + " is verified (DMARC)"},
		{Check: "reputation", Text: "nothing is known of this sender"},
		{Check: "junk-content", Effect: "+", Text: "the words are 3.1% junk, threshold 95%"},
		{Check: "no-bad-signals", Effect: "+", Text: "nothing is against it"},
	}}
	if i%3 == 0 {
		v.Action, v.Reason, v.Code, v.Enhanced, v.Text, v.Delay, v.First = trace.Reject, "junk-content", 451, "4.7.1", "the message looks unwanted, try again later or reach the recipient in another way", 0, false
	}
	return t
}
