package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	// dialTimeout is for TCP, keys, login and the begin of SFTP.
	dialTimeout   = 30 * time.Second
	clientVersion = "SSH-2.0-mox"
	// parallel requests of parallelSize octets are under way for a file.
	parallel     = 64
	parallelSize = 32 << 10
)

// link is a connection.
type link struct {
	ssh  *ssh.Client
	sftp *sftp.Client
	once sync.Once
	done chan struct{}

	// Guarded by Client.mu.
	users int
	last  time.Time // when it was used
}

// hangUp ends a connection, and with it all that waits for an answer.
func (l *link) hangUp() {
	l.once.Do(func() {
		close(l.done)
		l.ssh.Close()
	})
}

// steady is a connection of which each read and write has a deadline.
type steady struct {
	net.Conn
	timeout time.Duration
}

func (c *steady) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *steady) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// connect makes a connection, with a host key that is pinned.
func (c *Client) connect(ctx context.Context) (*link, error) {
	if c.HostKeys.Empty() {
		return nil, final{fmt.Errorf("no host key of %s is known: \"mox backup hostkeys %s\" prints what it shows, to be compared with what its operator says", c.Place.Host, c.Place.Address())}
	}
	var shown []string
	var none error
	for _, round := range c.HostKeys.rounds() {
		l, key, err := c.login(ctx, round)
		var n *ssh.AlgorithmNegotiationError
		switch {
		case err == nil:
			return l, nil
		case key != nil:
			shown = append(shown, line(key)+" ("+ssh.FingerprintSHA256(key)+")")
		case errors.As(err, &n):
			none = err
		default:
			return nil, err
		}
	}
	if len(shown) > 0 {
		return nil, final{fmt.Errorf("%s shows another host key than HostKeys has: %s. Either the server has a new key, or somebody else answers: ask its operator. Nothing was sent", c.Place.Address(), strings.Join(shown, ", "))}
	}
	return nil, final{fmt.Errorf("%s has no host key of a kind that HostKeys has: \"mox backup hostkeys %s\" prints those that it has: %w", c.Place.Address(), c.Place.Address(), none)}
}

// login connects, asking for a host key of some algorithms. The key is returned when it is not one
// of HostKeys.
func (c *Client) login(ctx context.Context, round []string) (_ *link, wrong ssh.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.dial()(ctx, "tcp", c.Place.Address())
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	config := &ssh.ClientConfig{
		User: c.Place.User, ClientVersion: clientVersion, HostKeyAlgorithms: round,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(c.Key.signer)},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if c.HostKeys.has(key) {
				return nil
			}
			wrong = key
			return errors.New("not one of HostKeys")
		},
	}
	sc, channels, requests, err := ssh.NewClientConn(&steady{conn, c.silence()}, c.Place.Address(), config)
	if err != nil {
		conn.Close()
		if wrong == nil && strings.Contains(err.Error(), "unable to authenticate") {
			err = final{fmt.Errorf("%s does not let %s in with the key %s: add the line \"%s\" to the account's authorized_keys", c.Place.Address(), c.Place.User, c.Key.Fingerprint(), c.Key.Authorized())}
		}
		return nil, wrong, timedOut(ctx, err)
	}
	l := &link{ssh: ssh.NewClient(sc, channels, requests), done: make(chan struct{}), last: time.Now()}
	l.sftp, err = sftp.NewClient(l.ssh, sftp.MaxPacketChecked(parallelSize), sftp.MaxConcurrentRequestsPerFile(parallel), sftp.UseConcurrentWrites(true))
	if err != nil {
		l.hangUp()
		return nil, nil, timedOut(ctx, fmt.Errorf("the server lets us in, but speaks no SFTP with this account: %w", err))
	}
	return l, nil, nil
}

func timedOut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
	return err
}

// watch keeps a connection alive, and ends it when nobody uses it.
func (c *Client) watch(l *link) {
	t := time.NewTicker(c.silence() / 3)
	defer t.Stop()
	for {
		select {
		case <-l.done:
			_ = l.sftp.Wait() // it says why; who waits for an answer is told
			return
		case <-t.C:
		}
		c.mu.Lock()
		idle := l.users == 0 && time.Since(l.last) > c.idle()
		c.mu.Unlock()
		// A request that gets no answer ends with the deadline of steady.Read.
		if !idle {
			if _, _, err := l.ssh.SendRequest("keepalive@openssh.com", true, nil); err == nil {
				continue
			}
		}
		c.drop(l)
	}
}
