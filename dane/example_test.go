package dane_test

import (
	"fmt"

	"mox/dane"
	"mox/dns"
)

func ExampleRecords_Usable() {
	r := dane.Records{All: []dns.TLSA{
		{Usage: dns.DANEEE, Selector: dns.SelectorSPKI, MatchType: dns.MatchSHA256, Data: make([]byte, 32)},
		{Usage: dns.PKIXEE, Selector: dns.SelectorCert, MatchType: dns.MatchSHA256, Data: make([]byte, 32)},
		{Usage: dns.DANEEE, Selector: dns.SelectorSPKI, MatchType: 9, Data: make([]byte, 32)},
	}}
	fmt.Println(r.Required())
	for _, t := range r.Usable() {
		fmt.Println(t.Usage, t.Selector, t.MatchType)
	}
	// Output:
	// true
	// DANE-EE SPKI SHA2-256
}
