package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// The parent and its worker talk over a pair of unix sockets, in lines of JSON. For each side
// the end of the other ends the connection, however that came.
//
// To the worker: "health" (answer with the same), "drain" (stop, without a word to those who
// wait for their connections to be accepted; then "drained"), "status" (what became of an upgrade).
// To the parent: "ready" (mail is served), "health", "drained", and "upgrade" (do that).
const (
	linkHealth  = "health"
	linkDrain   = "drain"
	linkDrained = "drained"
	linkStatus  = "status"
	linkReady   = "ready"
	linkUpgrade = "upgrade"
)

// envParent is the number of the worker's descriptor for its parent.
const envParent = "MOX_PARENT"

// maxLinkLine bounds a line; the parent does not trust its worker.
const maxLinkLine = 64 * 1024

// linkMessage is a line between parent and worker.
type linkMessage struct {
	Kind     string
	Version  string          `json:",omitempty"` // ready: of the worker
	Snapshot []string        `json:",omitempty"` // drain: databases to copy, by name
	Error    string          `json:",omitempty"` // drained: why there is no copy
	Health   *Health         `json:",omitempty"`
	Upgrade  *UpgradeRequest `json:",omitempty"`
	Status   *UpgradeStatus  `json:",omitempty"`
}

// link is one end of the connection.
type link struct {
	conn net.Conn
	mu   sync.Mutex // guards writing

	// Of a worker: what it is sent, and is closed when the parent has ended.
	messages chan linkMessage
}

// parentLink is the worker's end, nil for a process without parent.
func parentLink() (*link, error) {
	text := os.Getenv(envParent)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(envParent)
	fd, err := strconv.ParseUint(text, 10, 16)
	if err != nil || fd < firstFD {
		return nil, fmt.Errorf("environment variable %s: bad descriptor %q", envParent, text)
	}
	l, err := linkFromFD(uintptr(fd))
	if err != nil {
		return nil, err
	}
	l.messages = make(chan linkMessage, 16)
	go func() {
		defer close(l.messages)
		_ = l.receive(func(m linkMessage) { l.messages <- m })
	}()
	return l, nil
}

// waitEnd tells whether the parent has ended, for a worker that does not serve yet. What it was sent
// is passed over: nothing is asked of it before it is ready.
func (l *link) waitEnd(until <-chan struct{}) (ended bool) {
	for {
		select {
		case _, ok := <-l.messages:
			if !ok {
				return true
			}
		case <-until:
			return false
		}
	}
}

func linkFromFD(fd uintptr) (*link, error) {
	f := os.NewFile(fd, "link")
	if f == nil {
		return nil, fmt.Errorf("no descriptor %d", fd)
	}
	defer f.Close() // FileConn has its own duplicate
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("connection of parent and worker: %w", err)
	}
	return &link{conn: conn}, nil
}

// send writes a message; the other side takes it within seconds, or is as good as gone.
func (l *link) send(m linkMessage) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err = l.conn.Write(append(b, '\n'))
	return err
}

// receive calls got for each message until the other side ends, and returns why it did; nil
// for an orderly end.
func (l *link) receive(got func(linkMessage)) error {
	lines := bufio.NewScanner(l.conn)
	lines.Buffer(make([]byte, 0, 4096), maxLinkLine)
	for lines.Scan() {
		var m linkMessage
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("message between parent and worker: %w", err)
		}
		got(m)
	}
	if err := lines.Err(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (l *link) close() { l.conn.Close() }
