package ban

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/atomicfile"
)

// Format is the language of an exported file.
type Format string

const (
	// Nftables is what "nft -f" loads: the table "inet mox", replaced as a whole.
	Nftables Format = "nftables"
	// IPSet is what "ipset restore" loads: sets for rules of iptables, replaced one after the other.
	IPSet Format = "ipset"
)

// FormatOf returns the format of a file, by the end of its name: ".nft" or ".ipset".
func FormatOf(name string) (Format, bool) {
	switch filepath.Ext(name) {
	case ".nft":
		return Nftables, true
	case ".ipset":
		return IPSet, true
	}
	return "", false
}

// Export is a file with the bans, for a packet filter.
type Export struct {
	Path   string // empty: none
	Format Format
	Ports  [doors][]int // at which the doors are
}

// exported is what goes into a file.
type exported struct {
	now   time.Time
	ports [doors][]int
	bans  [doors][]Ban // without those that another includes
	allow []netip.Prefix
}

// export writes the file, if it is not what it should be.
func (b *Bans) export() error {
	if b.o.Export.Path == "" {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	x := exported{now: b.o.Now(), ports: b.o.Export.Ports, allow: outermost(b.o.Exempt, func(p netip.Prefix) netip.Prefix { return p })}
	b.mu.Lock()
	stale := b.stale
	b.stale = false
	for i := range b.sets {
		for _, ban := range b.sets[i].bans {
			if ban.Active(x.now) {
				x.bans[i] = append(x.bans[i], *ban)
			}
		}
	}
	b.mu.Unlock()
	if !stale {
		return nil
	}
	for i := range x.bans {
		x.bans[i] = outermost(x.bans[i], func(b Ban) netip.Prefix { return b.Network })
	}
	var buf bytes.Buffer
	x.print(&buf, b.o.Export.Format)
	if err := atomicfile.Write(b.o.Export.Path, buf.Bytes(), 0o640); err != nil {
		b.mu.Lock()
		b.stale = true
		b.mu.Unlock()
		return err
	}
	return nil
}

// outermost sorts by network, and leaves out networks within others: sets of packet filters do
// not have both. When the wider ban ends, the file is written again.
func outermost[T any](l []T, network func(T) netip.Prefix) []T {
	l = slices.Clone(l)
	slices.SortFunc(l, func(x, y T) int { return network(x).Compare(network(y)) })
	out := l[:0]
	for _, x := range l {
		// A network comes directly before those within it.
		if n := len(out); n == 0 || !covers(network(out[n-1]), network(x)) {
			out = append(out, x)
		}
	}
	return out
}

func (x *exported) print(w io.Writer, f Format) {
	if f == IPSet {
		x.ipset(w)
		return
	}
	x.nft(w)
}

// families are the names of sets of both kinds of addresses, and their types.
var families = [2]struct{ number, nft, match, ipset string }{
	{"4", "ipv4_addr", "ip", "inet"},
	{"6", "ipv6_addr", "ip6", "inet6"},
}

// left is the rest of a ban in seconds; 0: for good.
func (x *exported) left(b *Ban) int64 {
	if b.Expires.IsZero() {
		return 0
	}
	return max(1, int64((b.Expires.Sub(x.now)+time.Second-1)/time.Second))
}

// nft prints a table that drops packets. What is allowed is let through by this table: what others
// say of it counts all the same.
func (x *exported) nft(w io.Writer) {
	fmt.Fprintf(w, "# Networks banned by mox, %s. Written anew with each change.\ntable inet mox\ndelete table inet mox\ntable inet mox {\n", x.now.UTC().Format(time.RFC3339))
	for f := range families {
		x.nftSet(w, "allow", f, "interval", func(yield func(string)) {
			for _, p := range x.allow {
				if family(p.Addr()) == f {
					yield(p.String())
				}
			}
		})
		for door := range x.bans {
			x.nftSet(w, Door(door).String(), f, "interval, timeout", func(yield func(string)) {
				for _, b := range x.bans[door] {
					if family(b.Network.Addr()) == f {
						yield(b.Network.String() + timeout(x.left(&b), "s"))
					}
				}
			})
		}
	}
	fmt.Fprint(w, "\tchain input {\n\t\ttype filter hook input priority filter - 5; policy accept;\n")
	for _, f := range families {
		fmt.Fprintf(w, "\t\t%s saddr @allow%s accept\n", f.match, f.number)
	}
	for door, ports := range x.ports {
		if len(ports) == 0 {
			continue
		}
		for _, f := range families {
			fmt.Fprintf(w, "\t\ttcp dport { %s } %s saddr @%s%s drop\n", join(ports), f.match, Door(door), f.number)
		}
	}
	fmt.Fprint(w, "\t}\n}\n")
}

func (x *exported) nftSet(w io.Writer, name string, f int, flags string, elements func(yield func(string))) {
	fmt.Fprintf(w, "\tset %s%s {\n\t\ttype %s; flags %s;\n", name, families[f].number, families[f].nft, flags)
	first := true
	elements(func(e string) {
		if first {
			fmt.Fprint(w, "\t\telements = {\n")
		}
		first = false
		fmt.Fprintf(w, "\t\t\t%s,\n", e)
	})
	if !first {
		fmt.Fprint(w, "\t\t}\n")
	}
	fmt.Fprint(w, "\t}\n")
}

// timeout prints one, if there is one, as part of an element.
func timeout(seconds int64, unit string) string {
	if seconds == 0 {
		return ""
	}
	return " timeout " + strconv.FormatInt(seconds, 10) + unit
}

func join(ports []int) string {
	var l []string
	for _, p := range ports {
		l = append(l, strconv.Itoa(p))
	}
	return strings.Join(l, ", ")
}

// maxIPSetTimeout is the largest that a set takes, in seconds.
const maxIPSetTimeout = 2147483

// ipset prints commands that make sets mox-mail4, mox-mail6, mox-logins4, mox-logins6, mox-allow4
// and mox-allow6: each is filled under another name and then put in place.
func (x *exported) ipset(w io.Writer) {
	for f := range families {
		x.ipsetSet(w, "mox-allow"+families[f].number, f, func(yield func(string)) {
			for _, p := range x.allow {
				if family(p.Addr()) == f {
					yield(p.String())
				}
			}
		})
		for door := range x.bans {
			x.ipsetSet(w, "mox-"+Door(door).String()+families[f].number, f, func(yield func(string)) {
				for _, b := range x.bans[door] {
					if family(b.Network.Addr()) == f {
						yield(b.Network.String() + timeout(min(x.left(&b), maxIPSetTimeout), ""))
					}
				}
			})
		}
	}
}

// ipsetSize is the most elements of a set: all that there can be, and those of halves of a /0.
const ipsetSize = 131072

func (x *exported) ipsetSet(w io.Writer, name string, f int, elements func(yield func(string))) {
	next := name + "-next"
	for _, n := range []string{name, next} {
		fmt.Fprintf(w, "create %s hash:net family %s maxelem %d timeout 0 -exist\n", n, families[f].ipset, ipsetSize)
	}
	fmt.Fprintf(w, "flush %s\n", next)
	elements(func(e string) { fmt.Fprintf(w, "add %s %s -exist\n", next, e) })
	fmt.Fprintf(w, "swap %s %s\ndestroy %s\n", next, name, next)
}
