package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"mox/dnscheck"
)

// atATime is how many domains are checked at the same time.
const atATime = 4

// errStopped is why no connection is made: what others would find is known.
var errStopped = errors.New("the server does not run")

// domains checks the DNS of each.
func (x *examination) domains(ctx context.Context) {
	places := make(chan struct{}, atATime)
	var wg sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(x.snap.Domains)) {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			x.domain(ctx, name)
		})
	}
	wg.Wait()
}

func (x *examination) domain(ctx context.Context, name string) {
	o := dnscheck.Options{Resolver: x.Resolver, Dial: x.Dial, Roots: x.Roots}
	if x.SkipDial || !x.running {
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errStopped }
	}
	r, err := dnscheck.Check(ctx, x.snap, name, o)
	if err != nil {
		x.add(Finding{Check: "dns", Level: Problem, Text: fmt.Sprintf("%s: %s", name, sentence(err.Error())), Remedy: run("mox config dnscheck " + name)})
		return
	}
	clean := true
	for _, s := range r.Sections {
		// The addresses themselves are looked at before.
		if s.Name == dnscheck.IPRev && x.has("reversedns") {
			continue
		}
		errs, warnings := known(s.Errors), known(s.Warnings)
		level := Warning
		if len(errs) > 0 {
			level = Problem
		}
		if len(errs)+len(warnings) == 0 {
			continue
		}
		clean = false
		remedy := strings.Join(s.Instructions, "\n")
		if remedy == "" {
			remedy = run("mox config dnscheck " + name)
		}
		x.add(Finding{Check: "dns", Level: level, Text: fmt.Sprintf("%s, %s: %s", name, s.Name, sentence(strings.Join(append(errs, warnings...), "; "))), Remedy: remedy})
	}
	if clean {
		x.add(Finding{Check: "dns", Level: OK, Text: fmt.Sprintf("The records of %s are right.", name)})
	}
}

// known leaves out what follows from the server not running.
func known(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return strings.Contains(t, errStopped.Error()) })
}
