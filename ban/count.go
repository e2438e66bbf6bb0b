package ban

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"mox/ratelimit"
)

type offenceKey struct {
	key
	reason Reason
}

// offence counts what a network did since the first time, within the window.
type offence struct {
	start time.Time
	n     int
	// guesses are the last different wrong passwords of an address, hashed; 0 is none.
	guesses [8]uint64
}

// repeated tells whether a guess was made before, and notes it.
func (o *offence) repeated(guess uint64) bool {
	if guess == 0 {
		return false
	}
	if slices.Contains(o.guesses[:], guess) {
		return true
	}
	copy(o.guesses[1:], o.guesses[:len(o.guesses)-1])
	o.guesses[0] = guess
	return false
}

// LoginFailed counts a login that failed for its credentials. guess is a hash of them, by which one
// that is tried again is known; 0: it is not known.
func (b *Bans) LoginFailed(ip netip.Addr, guess uint64) { b.offend(ip, Logins, Authentication, guess) }

// Offence counts what an address did wrong at a door.
func (b *Bans) Offence(ip netip.Addr, door Door, r Reason) { b.offend(ip, door, r, 0) }

func (b *Bans) offend(ip netip.Addr, door Door, r Reason, guess uint64) {
	if b == nil || b.o.Manual || !ip.IsValid() {
		return
	}
	ip = plain(ip)
	if b.exempt(ip) {
		return
	}
	if _, banned := b.Lookup(ip, door); banned {
		return // what goes on in sessions that are open
	}
	now := b.o.Now()
	networks := ratelimit.Networks(ip)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trusts(networks[0], door, now) {
		return
	}
	if b.offence(offenceKey{key{networks[0], door}, r}, now).repeated(guess) {
		return
	}
	for class, factor := range [...]int{1, wideFactor} {
		k := offenceKey{key{networks[class], door}, r}
		o := b.offence(k, now)
		o.n++
		if o.n < factor*b.o.Limits.of(r) {
			continue
		}
		delete(b.offences, k)
		if class == 0 || !b.inhabited(networks[class], door, now) {
			b.banNow(k, o.n, now)
		}
	}
}

// Accepted takes back an offence that an address has done the contrary of: a recipient that is known.
func (b *Bans) Accepted(ip netip.Addr, door Door, r Reason) {
	if b == nil || b.o.Manual || !ip.IsValid() {
		return
	}
	networks := ratelimit.Networks(plain(ip))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, network := range networks[:2] {
		if o := b.offences[offenceKey{key{network, door}, r}]; o != nil && o.n > 0 {
			o.n--
		}
	}
}

// LoginSucceeded notes that somebody has logged in from an address.
func (b *Bans) LoginSucceeded(ip netip.Addr) {
	if b == nil {
		return
	}
	b.visit(&b.users, ip, Logins, Authentication)
}

// MailVerified notes that mail from an address was accepted whose sender was verified. It does not
// count for the door of logins.
func (b *Bans) MailVerified(ip netip.Addr) {
	if b == nil {
		return
	}
	b.visit(&b.senders, ip, Mail, Recipients)
}

// visit notes somebody welcome, whose offences for a reason are taken back.
func (b *Bans) visit(v *visitors, ip netip.Addr, door Door, r Reason) {
	if !ip.IsValid() || b.exempt(plain(ip)) {
		return
	}
	network, now := own(ip), b.o.Now()
	failed := offenceKey{key{network, door}, r}
	b.mu.RLock()
	recent := now.Sub(v.seen[network]) < seenEvery && b.offences[failed] == nil
	b.mu.RUnlock()
	if recent {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.offences, failed)
	v.note(network, now, b.o.Max)
	b.wakeUp()
}

// trusts tells whether somebody welcome at a door has come from a network lately. mu is held.
func (b *Bans) trusts(network netip.Prefix, door Door, now time.Time) bool {
	return b.users.lately(network, now) || door == Mail && b.senders.lately(network, now)
}

// inhabited tells whether a wide network has addresses that must not be banned with it. mu is
// held.
func (b *Bans) inhabited(wide netip.Prefix, door Door, now time.Time) bool {
	return slices.ContainsFunc(b.o.Exempt, wide.Overlaps) || b.users.within(wide, now) || door == Mail && b.senders.within(wide, now)
}

// offence returns the counter of a network, a new one when its time is over. mu is held.
func (b *Bans) offence(k offenceKey, now time.Time) *offence {
	o := b.offences[k]
	if o != nil && now.Sub(o.start) < window {
		return o
	}
	if o == nil && len(b.offences) >= b.o.Max {
		b.forgetOffences(now)
	}
	o = &offence{start: now}
	b.offences[k] = o
	return o
}

// forgetOffences makes room: of those whose time is over, else of any tenth. mu is held.
func (b *Bans) forgetOffences(now time.Time) {
	for k, o := range b.offences {
		if now.Sub(o.start) >= window {
			delete(b.offences, k)
		}
	}
	if len(b.offences) < b.o.Max {
		return
	}
	for k := range b.offences {
		if len(b.offences) <= b.o.Max-max(1, b.o.Max/10) {
			return
		}
		delete(b.offences, k)
	}
}

// banNow bans a network that has reached a limit. mu is held.
func (b *Bans) banNow(k offenceKey, events int, now time.Time) {
	times := 1
	if old := b.past[k.key]; old != nil {
		times += old.Times
	} else if old := b.sets[k.door].bans[k.network]; old != nil {
		times += old.Times // it is over, but was not moved yet
	}
	d := b.o.Durations[min(times, len(b.o.Durations))-1]
	if k.door == Mail {
		d = min(d, mailAtMost) // longer ones outlast the queues of senders, and mail is lost
	}
	x := &Ban{Network: k.network, Door: k.door, Reason: k.reason, Times: times, Events: events, Since: now, Expires: now.Add(d)}
	if !b.put(x, now) {
		return
	}
	b.o.Log.InfoContext(context.Background(), "network banned", "network", x.Network.String(), "door", x.Door.String(), "reason", string(x.Reason), "events", events, "times", times, "until", x.Expires.UTC().Format(time.RFC3339))
}

// put brings a ban in force, and reports whether there was room. mu is held.
func (b *Bans) put(x *Ban, now time.Time) bool {
	if b.size() >= b.o.Max && !b.makeRoom(now) {
		b.o.Log.Error("no network can be banned any more: there are too many bans by hand", "bans", b.size())
		return false
	}
	delete(b.past, x.key())
	b.sets[x.Door].put(x)
	b.touch(x.key())
	if b.o.Banned != nil {
		b.o.Banned(x.Door, x.Reason)
	}
	return true
}

func (b *Bans) size() int {
	n := len(b.past)
	for i := range b.sets {
		n += len(b.sets[i].bans)
	}
	return n
}

// makeRoom drops a hundredth of the bans: those that are over, then the oldest, but none by
// hand. It reports whether there were any. mu is held.
func (b *Bans) makeRoom(now time.Time) bool {
	var all []*Ban
	for _, x := range b.past {
		all = append(all, x)
	}
	for i := range b.sets {
		for _, x := range b.sets[i].bans {
			if x.Reason != Manual || !x.Active(now) {
				all = append(all, x)
			}
		}
	}
	slices.SortFunc(all, func(x, y *Ban) int {
		if ax, ay := x.Active(now), y.Active(now); ax != ay {
			if ay {
				return -1
			}
			return 1
		}
		return x.Since.Compare(y.Since)
	})
	for _, x := range all[:min(len(all), max(1, b.o.Max/100))] {
		b.drop(x.key())
	}
	return len(all) > 0
}

// drop forgets all about a ban. mu is held.
func (b *Bans) drop(k key) {
	delete(b.past, k)
	b.sets[k.door].remove(k.network)
	b.touch(k)
}

// touch notes that a ban has changed. mu is held.
func (b *Bans) touch(k key) {
	b.changed[k] = true
	b.stale = true
	n := 0
	for i := range b.sets {
		n += len(b.sets[i].bans)
	}
	b.held.Store(int64(n))
	if b.o.Held != nil {
		b.o.Held(k.door, len(b.sets[k.door].bans))
	}
	b.wakeUp()
}

// wakeUp makes the goroutine write what has changed.
func (b *Bans) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
