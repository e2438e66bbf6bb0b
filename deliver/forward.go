package deliver

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"

	"mox/config"
	"mox/smtp"
	"mox/store"
)

// Forwarder passes messages on to other addresses.
type Forwarder interface {
	// Forward passes a message on to all addresses of a destination; when it returns nil,
	// that is sure to happen, or the sender will hear that it failed. Errors are as those of
	// delivery.
	Forward(ctx context.Context, f Forward) error
}

// Forward is a message to be passed on.
type Forward struct {
	Message *Message
	// Account and Destination are of whose mail it is.
	Account     string
	Destination *config.DestinationInfo
	From        smtp.Address    // the address that forwards
	To          smtp.Path       // as in RCPT
	Params      smtp.RcptParams // of To
	// Prefix are the trace fields to put above the message: Delivered-To and Received.
	Prefix []byte
}

// Forwards tells whether mail for the target is passed on to others, too.
func (t Target) Forwards() bool { return t.Destination != nil && len(t.Destination.Forward) > 0 }

// onlyForwards tells whether nothing is kept in the account.
func (t Target) onlyForwards() bool { return t.Forwards() && t.Destination.Config.Forward.NoCopy }

// forwards tells whether a message that is accepted for a mailbox is passed on: junk is not,
// whoever found out that it is.
func (d *Deliverer) forwards(acc *store.Account, j *job) bool {
	if d.c.Forwarder == nil || !j.target.Forwards() || j.NoForward {
		return false
	}
	box, ok := acc.MailboxByName(j.Mailbox)
	return !ok || box.SpecialUse&store.UseJunk == 0
}

// checkForwarded refuses what comes back that was forwarded from here: unlike what a person
// sends again, it would come back again.
func (d *Deliverer) checkForwarded(s *seen, t Target) error {
	if d.c.Forwarder == nil || !t.Forwards() {
		return nil
	}
	for _, a := range s.delivered {
		if strings.EqualFold(a, t.Base.Pack(true)) || strings.EqualFold(a, t.Base.Pack(false)) {
			return smtp.Errorf(550, "5.4.6", "mail forwarding loop: the message was here before")
		}
	}
	return nil
}

// forward passes the message on, after the copy for the account, if it keeps one, is stored.
// When only the first can be done, the copy is remembered: the sender will try again.
func (d *Deliverer) forward(ctx context.Context, acc *store.Account, m *Message, j *job, nm store.NewMessage) error {
	key, known := d.copied(m, j)
	if !j.target.onlyForwards() && !known {
		if err := d.store(ctx, acc, j, nm); err != nil {
			return err
		}
	}
	f := Forward{
		Message: m, Account: j.target.Account, Destination: j.target.Destination, From: j.target.Base, To: d.whole(j.to), Params: j.params,
		Prefix: []byte("Delivered-To: " + j.target.Base.Pack(m.SMTPUTF8) + "\r\n"),
	}
	if !m.Generated {
		f.Prefix = append(f.Prefix, d.Received(m, j.to)...)
	}
	f.Prefix = append(f.Prefix, m.Add...)
	err := d.c.Forwarder.Forward(ctx, f)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.done.add(key, m.Received)
	} else if known {
		d.done.remove(key)
	}
	return err
}

// copied tells whether the account has its copy of a message that could not be passed on, and
// the key by which that is remembered.
func (d *Deliverer) copied(m *Message, j *job) (digest, bool) {
	s, err := sum(m)
	if err != nil {
		return digest{}, false
	}
	e := &earlier{d, s}
	k := e.key(j)
	h := sha256.New()
	h.Write(k[:])
	io.WriteString(h, "copy")
	key := digest(h.Sum(nil))
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.done.at[key]
	return key, ok
}
