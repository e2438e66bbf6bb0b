//go:build unix

package serve

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"mox/admin"
	"mox/config"
)

// Times of an upgrade.
const (
	drainTime    = 2 * time.Minute  // for a worker to stop, and close its databases
	snapshotTime = time.Hour        // more, with databases to copy
	defaultStart = 15 * time.Minute // for the next one to be ready: schemas may change
	defaultWatch = 3 * time.Minute
	healthEvery  = 2 * time.Second
	healthTime   = 30 * time.Second // without an answer, also when it is watched for less
	killTime     = 15 * time.Second // for one that failed to stop by itself
	forwardTries = 5
)

// upgrade hands over to the program that is at the parent's path now, watches it, and goes back
// to the one before if it fails. Connections wait at the sockets while none of them serves.
//
// It returns with a worker that serves or starts, or with none when not even the old program
// could be started.
func (p *parent) upgrade(r UpgradeRequest) {
	r.Start, r.Watch = cmpPositive(r.Start, defaultStart), cmpPositive(r.Watch, defaultWatch)
	p.status = UpgradeStatus{ID: r.ID}
	// What the next worker needs is gotten first: without it, the one that serves goes on.
	if err := p.refresh(); err != nil {
		p.enter(admin.UpgradeRolledBack, err.Error())
		p.tell(p.worker)
		return
	}
	p.enter(admin.UpgradeDraining, "")
	notify("RELOADING=1" + monotonic() + "\nSTATUS=handing over to another program")
	reason := p.drain(r)
	if p.ended != nil { // whoever drains ends
		p.stopNow()
		return
	}
	if reason != "" {
		p.back(reason, false)
		return
	}
	p.enter(admin.UpgradeStarting, "")
	restore := len(r.Snapshot) > 0
	if err := p.next(); err != nil {
		p.back(err.Error(), restore)
		return
	}
	if reason := p.awaitReady(r.Start); p.ended != nil {
		p.stopNow()
		return
	} else if reason != "" {
		p.stopWorker()
		p.back("the new program did not get ready: "+reason, restore)
		return
	}
	p.enter(admin.UpgradeWatching, "")
	p.tell(p.worker)
	switch reason := p.watch(r.Watch); {
	case p.ended != nil:
		p.stopNow()
	case reason == "":
		p.enter(admin.UpgradeDone, "")
		p.tell(p.worker)
		if err := p.replace(); err != nil {
			p.log.Error("the parent process stays the old program until the next start", "err", err)
		}
	case r.Reversible:
		p.stopWorker()
		p.back(reason, false)
	default:
		p.forward(reason, r.Start)
	}
}

// enter notes a state.
func (p *parent) enter(state, reason string) {
	p.status.State, p.status.Reason, p.status.Since = state, reason, time.Now()
	args := []any{"state", state}
	if reason != "" {
		args = append(args, "reason", reason)
	}
	p.log.Info("upgrade", args...)
	notify("STATUS=upgrade: " + state)
}

// drain has the worker stop without refusing anybody, and copy what is to be copied. The reason
// is why there is no copy.
func (p *parent) drain(r UpgradeRequest) (reason string) {
	patience := drainTime
	if len(r.Snapshot) > 0 {
		patience += snapshotTime
	}
	if err := p.worker.link.send(linkMessage{Kind: linkDrain, Snapshot: r.Snapshot}); err != nil {
		p.log.Error("telling the worker to stop", "err", err)
	}
	p.worker.stopping = true
	copied := len(r.Snapshot) == 0
	err := p.await(patience, func(m linkMessage) bool {
		if m.Kind == linkDrained {
			copied, reason = m.Error == "", m.Error
		}
		return false // its end is what is waited for
	})
	if errors.Is(err, errTime) {
		p.log.Error("worker does not stop: killing it")
		p.kill()
	}
	if !copied && reason == "" {
		reason = "the old program ended before it had copied its databases"
	}
	return reason
}

// Errors of await.
var (
	errTime  = errors.New("not in time")
	errEnded = errors.New("it ended")
	errAsked = errors.New("asked to stop")
)

// await reads the worker's messages until one is what is waited for. The error is errTime,
// errEnded with how it ended (there is no worker then), or errAsked.
func (p *parent) await(d time.Duration, until func(linkMessage) bool) error {
	limit := time.NewTimer(d)
	defer limit.Stop()
	tick := time.NewTicker(min(patienceEvery, cmpPositive(watchdogInterval(), patienceEvery)))
	defer tick.Stop()
	for {
		select {
		case m := <-p.worker.messages:
			p.got(p.worker, m)
			if until(m) {
				return nil
			}
		case err := <-p.worker.end:
			p.rest(until)
			p.worker.over()
			if status, err := workerStatus(err); err != nil {
				return fmt.Errorf("%w: %w", errEnded, err)
			} else {
				return fmt.Errorf("%w with exit status %d", errEnded, status)
			}
		case <-limit.C:
			return errTime
		case <-tick.C:
			p.extend()
		case sig := <-p.signals:
			switch sig {
			case syscall.SIGHUP:
				p.reload()
			case syscall.SIGUSR2: // it is under way
			default:
				p.ended = sig
				return errAsked
			}
		}
	}
}

// rest reads what a worker said before it ended.
func (p *parent) rest(until func(linkMessage) bool) {
	for {
		select {
		case m := <-p.worker.messages:
			until(m)
		default:
			return
		}
	}
}

// next starts the program that is at the parent's path now, with the sockets and keys that its
// configuration names now.
func (p *parent) next() error {
	w, err := p.start(p.exe, false)
	if err != nil {
		return err
	}
	p.worker = w
	return nil
}

// refresh follows the configuration: listeners may have been added, keys renewed. After an error the
// sockets are those from before.
func (p *parent) refresh() error {
	snap, err := readConfig(p.configPath, p.user)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	n := len(p.addrs)
	if err = p.bind(snap, &Inherited{}); err == nil {
		err = p.open(snap)
	}
	if err == nil {
		err = p.tryConfig()
	}
	if err != nil {
		p.closeFrom(n)
		return err
	}
	p.unbind(snap)
	return nil
}

// unbind closes the sockets of listeners that are not configured any more, at which connections
// would wait for ever.
func (p *parent) unbind(snap *config.Snapshot) {
	wanted := Sockets(snap)
	for i := len(p.addrs) - 1; i >= 0; i-- {
		addr := p.addrs[i]
		if slices.Contains(wanted, addr) || strings.HasPrefix(addr, udpPrefix) {
			continue
		}
		p.sockets[i].Close()
		p.addrs, p.sockets = slices.Delete(p.addrs, i, i+1), slices.Delete(p.sockets, i, i+1)
	}
}

// awaitReady waits for the worker to serve; the reason is why it does not.
func (p *parent) awaitReady(d time.Duration) (reason string) {
	if p.worker.ready {
		return ""
	}
	isReady := func(m linkMessage) bool { return m.Kind == linkReady }
	if err := p.await(d, isReady); err != nil {
		// It may have said so at that moment, and accepted mail since.
		p.rest(func(m linkMessage) bool {
			p.got(p.worker, m)
			return false
		})
		if !p.worker.ready {
			return err.Error()
		}
	}
	return ""
}

// watch asks the worker for its health; the reason is what is wrong with it.
func (p *parent) watch(d time.Duration) (reason string) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := p.worker.link.send(linkMessage{Kind: linkHealth}); err != nil {
			p.log.Debug("asking the worker", "err", err) // it has ended, as is found out now
		}
		var h *Health
		err := p.await(healthTime, func(m linkMessage) bool {
			if m.Kind == linkHealth {
				h = m.Health
			}
			return h != nil
		})
		switch {
		case errors.Is(err, errTime):
			p.worker.silent = true
			return fmt.Sprintf("the new program does not answer for %v", healthTime)
		case errors.Is(err, errAsked):
			return ""
		case err != nil:
			return "the new program failed: " + err.Error()
		case !h.OK():
			return "the new program is not healthy: " + h.String()
		case h.Panics > 0:
			return fmt.Sprintf("the new program panics: %d times, see the log", h.Panics)
		case h.NotLogins > 0 && h.Logins == 0:
			return fmt.Sprintf("%d logins failed by an error of the new program, none succeeded", h.NotLogins)
		}
		err = p.await(min(healthEvery, time.Until(end)), func(linkMessage) bool { return false })
		if errors.Is(err, errAsked) {
			return ""
		} else if !errors.Is(err, errTime) {
			return "the new program failed: " + err.Error()
		}
	}
	return ""
}

// stopWorker ends a worker that failed: in order if it still answers, else by force, which its
// databases bear.
func (p *parent) stopWorker() {
	if p.worker.ended {
		return
	}
	p.worker.stopping = true
	if p.worker.ready && !p.worker.silent {
		_ = p.worker.link.send(linkMessage{Kind: linkDrain})
		if err := p.await(killTime, func(linkMessage) bool { return false }); errors.Is(err, errEnded) {
			return
		}
	}
	p.kill()
}

// kill ends the worker by force, and waits for that.
func (p *parent) kill() {
	if p.worker.ended {
		return
	}
	_ = p.worker.process.Kill()
	<-p.worker.end
	p.worker.over()
}

// back starts the program that ran before, on the data from before the upgrade if restore.
func (p *parent) back(reason string, restore bool) {
	p.enter(admin.UpgradeRolledBack, reason)
	p.worker = nil
	old := p.exe
	if _, err := os.Stat(selfExe); err == nil {
		old = selfExe // whatever is at the path now
	} else if _, err := os.Stat(p.exe + ".old"); err == nil {
		old = p.exe + ".old"
	}
	w, err := p.start(old, restore)
	if err != nil {
		p.log.Error("starting the old program again", "err", err)
		return
	}
	p.worker = w
	if p.ended != nil {
		p.stopNow()
	}
}

// forward keeps a program that failed after it had served, because the one before cannot use the
// data any more: no mail is given up. It is started again if it has ended or hangs.
func (p *parent) forward(reason string, start time.Duration) {
	for range forwardTries {
		p.enter(admin.UpgradeForward, reason+"; it stays, as the data is its own now")
		p.stopWorker()
		p.worker = nil
		w, err := p.start(p.exe, false)
		if err != nil {
			p.log.Error("starting the new program again", "err", err)
			return
		}
		p.worker = w
		if reason = p.awaitReady(start); reason == "" || p.ended != nil {
			break
		}
	}
	if p.ended != nil {
		p.stopNow()
	}
}

// stopNow passes on a signal that came during an upgrade; its end is then seen by run.
func (p *parent) stopNow() {
	sig := p.ended
	p.ended = nil
	p.late = time.After(stopTime)
	p.pass(sig)
}
