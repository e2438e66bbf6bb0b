package mtasts_test

import (
	"fmt"

	"mox/dns"
	"mox/mtasts"
)

func ExampleParsePolicy() {
	p, err := mtasts.ParsePolicy("version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 604800\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Mode, p.MaxAge)
	for _, host := range []string{"mx.example.net", "a.mx.example.net", "example.net"} {
		fmt.Println(host, p.Matches(dns.Domain{ASCII: host}))
	}
	// Output:
	// enforce 168h0m0s
	// mx.example.net true
	// a.mx.example.net false
	// example.net false
}
