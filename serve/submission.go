package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mox/atomicfile"
	"mox/deliver"
	"mox/inbound"
	"mox/metrics"
	"mox/smtp"
	"mox/smtpserver"
	"mox/srs"
	"mox/submit"
)

// srsKeyFile is in the data directory: 32 bytes by which addresses that were made for
// forwarded mail are known again.
const srsKeyFile = "srs.key"

// loadSRSKey reads the key, making one when there is none.
func loadSRSKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
		rand.Read(key) // never fails
		err = atomicfile.Write(path, key, 0o640)
	}
	if err != nil {
		return nil, fmt.Errorf("key for forwarding: %w", err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("key for forwarding: %s has %d bytes instead of 32", path, len(key))
	}
	return key, nil
}

// buildForwarder makes the flow for mail that is passed on.
func (s *Server) buildForwarder() *submit.Forwarder {
	forwards := s.Registry.Counter(metrics.SMTPServerForward)
	return submit.NewForwarder(submit.ForwarderConfig{
		Directory: s.dir, Queue: s.Queue, Rewriter: &srs.Rewriter{Key: s.srsKey, Now: s.Now}, Log: s.Log, Now: s.Now,
		Forwarded: func() { forwards.Inc("forwarded") }, Returned: func() { forwards.Inc("returned") },
	})
}

// buildSubmit makes the flow for mail of users.
func (s *Server) buildSubmit(deliverer *deliver.Deliverer, forwarder *submit.Forwarder) {
	submissions, signed := s.Registry.Counter(metrics.SMTPServerSubmission), s.Registry.Counter(metrics.DKIMSign)
	failures := s.Registry.Counter(metrics.SMTPServerErrors)
	s.submit = submit.New(submit.Config{
		Hostname: s.Config.Snapshot().Hostname, Directory: s.dir, Deliverer: deliverer, Store: s.Store, Queue: s.Queue, Forwarder: forwarder,
		Junk: s.Junk, Trace: s.Traces.Add,
		ID: s.receivedID.Encode, Local: s.Local, Log: s.Log, Now: s.Now, Spans: s.spans,
		Metrics: submit.Metrics{
			Submission: func(result string) { submissions.Inc(result) },
			Error:      func(kind string) { failures.Inc(kind) },
			Signed:     func(key string) { signed.Inc(key) },
		},
	})
}

// relayed is a transaction of a client that may relay, for messages from certain domains:
// whether it does shows at MAIL.
type relayed struct {
	s    *Server
	peer smtp.Peer
	door inbound.Door
	smtpserver.Transaction
}

// Mail decides whose the message is.
func (t *relayed) Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error {
	var err error
	if r := t.s.submit.Relay(t.peer.Remote.Addr(), from); r != nil {
		t.Transaction, err = t.s.submit.Begin(ctx, t.peer, submit.Sender{Relay: r})
	} else {
		t.Transaction, err = t.s.inbound.Begin(ctx, t.peer, t.door)
	}
	if err != nil {
		return err
	}
	return t.Transaction.Mail(ctx, from, p)
}

// Abort implements smtpserver.Transaction.
func (t *relayed) Abort() {
	if t.Transaction != nil {
		t.Transaction.Abort()
	}
}

// Suspicious implements smtpserver.Suspicious.
func (t *relayed) Suspicious() bool {
	s, ok := t.Transaction.(smtpserver.Suspicious)
	return ok && s.Suspicious()
}
