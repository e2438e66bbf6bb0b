package sftp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"
)

// maxFile bounds what is read at a time.
const maxFile = 256 << 20

// leftAfter is how old a temporary file must be to be one that was left.
const leftAfter = 48 * time.Hour

const temporary = ".tmp"

// fullBelow are octets that file systems need beside the content.
const fullBelow = 64 << 10

// Config says where files are, and how to get there.
type Config struct {
	Place    Place
	Key      Key
	HostKeys HostKeys

	Dial    func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer
	Tries   int                                                               // for an operation, when the connection fails; 0: 4
	Wait    time.Duration                                                     // before the second try, twice as long before each other; 0: 1 s
	Timeout time.Duration                                                     // for an operation, beside the time for its content; 0: 5 minutes
	Silence time.Duration                                                     // after which a connection is dead, with a request each third of it; 0: 45 s
	Idle    time.Duration                                                     // after which an unused connection is ended; 0: 1 minute
}

// Client keeps files below a directory. It is safe for concurrent use.
type Client struct {
	Config
	dialing chan struct{} // holds an element while a connection is made
	watches sync.WaitGroup

	mu   sync.Mutex
	link *link // nil: there is none
}

// New returns a client, without connecting.
func New(c Config) *Client { return &Client{Config: c, dialing: make(chan struct{}, 1)} }

func (c *Client) silence() time.Duration { return cmp.Or(c.Silence, 45*time.Second) }
func (c *Client) idle() time.Duration    { return cmp.Or(c.Idle, time.Minute) }

func (c *Client) dial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial
	}
	return new(net.Dialer).DialContext
}

// String is the URL of the directory.
func (c *Client) String() string { return c.Place.String() }

// final is an error that another try does not mend.
type final struct{ error }

func (e final) Unwrap() error { return e.error }

// again tells whether an operation may succeed when it is repeated: what the server has
// answered is final, and what it has not is not.
func again(err error) bool {
	var f final
	var status *sftp.StatusError
	if errors.As(err, &status) {
		return status.FxCode() == sftp.ErrSSHFxNoConnection || status.FxCode() == sftp.ErrSSHFxConnectionLost
	}
	return !errors.As(err, &f) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// take returns the connection, made if there is none.
func (c *Client) take(ctx context.Context) (*link, error) {
	select {
	case c.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.dialing }()
	c.mu.Lock()
	l := c.link
	if l != nil {
		l.users++
	}
	c.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	l.users = 1
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	c.watches.Go(func() { c.watch(l) })
	return l, nil
}

func (c *Client) give(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.users--
	l.last = time.Now()
}

// drop ends a connection; the next operation makes another one.
func (c *Client) drop(l *link) {
	c.mu.Lock()
	if c.link == l {
		c.link = nil
	}
	c.mu.Unlock()
	l.hangUp()
}

// Close ends the connection. The client can be used again.
func (c *Client) Close() error {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		c.drop(l)
	}
	c.watches.Wait()
	return nil
}

// do runs an operation on size octets, again when the connection fails.
func (c *Client) do(ctx context.Context, what string, size int64, f func(s *sftp.Client) error) error {
	tries, wait := cmp.Or(c.Tries, 4), cmp.Or(c.Wait, time.Second)
	for {
		err := c.try(ctx, size, f)
		if err == nil {
			return nil
		}
		if tries--; tries <= 0 || ctx.Err() != nil || !again(err) {
			return fmt.Errorf("%s: %s: %w", c.Place, what, err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		wait *= 2
	}
}

func (c *Client) try(ctx context.Context, size int64, f func(s *sftp.Client) error) error {
	l, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer c.give(l)
	limit := cmp.Or(c.Timeout, 5*time.Minute) + time.Duration(size/(16<<10))*time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// The library takes no context: what waits ends with the connection, and is over when f returns.
	stop := context.AfterFunc(ctx, func() { c.drop(l) })
	err = f(l.sftp)
	if !stop() && err != nil {
		return fmt.Errorf("not done in time: %w", ctx.Err())
	}
	if err != nil && again(err) {
		c.drop(l)
	}
	return err
}

// path is the path of a file by its name, which has slashes.
func (c *Client) path(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("bad name of file %q", name)
	}
	return path.Join(c.Place.Path, name), nil
}

// Put makes or replaces a file, whole; it is durable on return, as far as the server can.
func (c *Client) Put(ctx context.Context, name string, data []byte) error {
	p, err := c.path(name)
	if err != nil {
		return err
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	tmp := p + "." + hex.EncodeToString(b[:]) + temporary
	return c.do(ctx, "writing "+name, int64(len(data)), func(s *sftp.Client) error {
		err := write(s, tmp, data)
		if errors.Is(err, fs.ErrNotExist) {
			if err = makeDir(s, path.Dir(p)); err == nil {
				err = write(s, tmp, data)
			}
		}
		if err == nil {
			err = replace(s, tmp, p)
		}
		if err != nil {
			if !again(err) {
				_ = s.Remove(tmp)
			}
			return c.whyNot(s, len(data), err)
		}
		syncDir(s, path.Dir(p))
		return nil
	})
}

// write makes a file of some content.
func write(s *sftp.Client, name string, data []byte) error {
	f, err := s.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil && offers(s, "fsync@openssh.com") {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func offers(s *sftp.Client, extension string) bool {
	_, ok := s.HasExtension(extension)
	return ok
}

// replace gives a file a name that another one may have. Without the extension there is no such file
// for a moment (draft-ietf-secsh-filexfer-02 6.5: rename fails where there is one).
func replace(s *sftp.Client, from, to string) error {
	if offers(s, "posix-rename@openssh.com") {
		return s.PosixRename(from, to)
	}
	err := s.Rename(from, to)
	if err == nil || again(err) {
		return err
	}
	if _, serr := s.Stat(to); serr != nil {
		return err // that is not why
	}
	// The one that is there is kept until the other has its name.
	aside := to + ".old" + temporary
	_ = s.Remove(aside) // of a time before
	if rerr := s.Rename(to, aside); rerr != nil {
		return rerr
	}
	if err := s.Rename(from, to); err != nil {
		_ = s.Rename(aside, to)
		return err
	}
	_ = s.Remove(aside)
	return nil
}

// makeDir makes a directory and those that it is in, for our user alone.
func makeDir(s *sftp.Client, dir string) error {
	err := s.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." && dir != "/" {
		if err := makeDir(s, path.Dir(dir)); err != nil {
			return err
		}
		err = s.Mkdir(dir)
	}
	if err != nil {
		// It may be there: another one was quicker.
		if info, serr := s.Stat(dir); serr == nil && info.IsDir() {
			return nil
		}
		return fmt.Errorf("making directory %s: %w", dir, err)
	}
	_ = s.Chmod(dir, 0o700) // where there are modes
	syncDir(s, path.Dir(dir))
	return nil
}

// syncDir makes names in a directory durable, where the server can. OpenSSH opens directories as
// files, for reading; other servers refuse, which changes nothing.
func syncDir(s *sftp.Client, dir string) {
	if !offers(s, "fsync@openssh.com") {
		return
	}
	f, err := s.Open(dir)
	if err != nil {
		return
	}
	_ = f.Sync()
	_ = f.Close()
}

// denied says whose right it is that is missing.
func (c *Client) denied(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %s may not write there, or may only read", err, c.Place.User)
	}
	return err
}

// whyNot adds to an error of writing what may be the reason: of most, the protocol's version 3 says "failure".
func (c *Client) whyNot(s *sftp.Client, size int, err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) || again(err) {
		return c.denied(err)
	}
	dir := c.Place.Path
	if offers(s, "statvfs@openssh.com") {
		if v, verr := s.StatVFS(dir); verr == nil {
			switch {
			case v.Bavail*v.Frsize < uint64(size)+fullBelow:
				return fmt.Errorf("disk full: %d KiB are free in %s: %w", v.Bavail*v.Frsize>>10, dir, err)
			case v.Files > 0 && v.Favail == 0:
				return fmt.Errorf("disk full: no more files can be made in %s: %w", dir, err)
			}
		}
	}
	return fmt.Errorf("%w: the server does not say why; perhaps the disk or a quota is full", err)
}

// Get returns n octets of a file from off on, or all that there are when n is negative. The error wraps
// fs.ErrNotExist when there is no file, and io.ErrUnexpectedEOF when it is shorter.
func (c *Client) Get(ctx context.Context, name string, off, n int64) (data []byte, err error) {
	p, err := c.path(name)
	if err != nil {
		return nil, err
	}
	err = c.do(ctx, "reading "+name, max(n, 0), func(s *sftp.Client) error {
		f, err := s.Open(p)
		if err != nil {
			return err
		}
		data, err = read(f, off, n)
		// Its answer changes nothing, and need not be waited for. It comes, or the connection ends.
		go f.Close()
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

func read(f *sftp.File, off, n int64) ([]byte, error) {
	if n < 0 {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		n = max(info.Size()-off, 0)
	}
	if n > maxFile {
		return nil, final{fmt.Errorf("%d octets are too many", n)}
	}
	data := make([]byte, n)
	m, err := f.ReadAt(data, off)
	if int64(m) == n {
		return data, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		// io.EOF is also what a connection that ended says.
		info, serr := f.Stat()
		if serr != nil {
			return nil, serr
		}
		if info.Size() < off+n {
			return nil, final{io.ErrUnexpectedEOF}
		}
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// Delete removes a file; that there is none is no error.
func (c *Client) Delete(ctx context.Context, name string) error {
	p, err := c.path(name)
	if err != nil {
		return err
	}
	return c.do(ctx, "removing "+name, 0, func(s *sftp.Client) error {
		err := s.Remove(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return c.denied(err)
	})
}

// found is a file of a list.
type found struct {
	name string
	size int64
}

// List calls f for all files whose names begin with prefix, which is empty or ends in a slash, in the
// order of names. Other things than files are left out, and so are names that Put would not take.
func (c *Client) List(ctx context.Context, prefix string, f func(name string, size int64) error) error {
	if prefix != "" && !fs.ValidPath(strings.TrimSuffix(prefix, "/")) {
		return fmt.Errorf("bad prefix of names %q", prefix)
	}
	var files []found
	err := c.do(ctx, "listing "+cmp.Or(prefix, "all"), maxFile/8, func(s *sftp.Client) (err error) {
		files, err = c.walk(s, strings.TrimSuffix(prefix, "/"))
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b found) int { return strings.Compare(a.name, b.name) })
	for _, x := range files {
		if err := f(x.name, x.size); err != nil {
			return err
		}
	}
	return nil
}

// walkers read directories at a time, and levels of them are looked at.
const (
	walkers = 16
	levels  = 16
)

// walk lists the files below a directory: all directories of a level at a time.
func (c *Client) walk(s *sftp.Client, top string) ([]found, error) {
	var mu sync.Mutex
	var files []found
	level := []string{top}
	for range levels {
		var next []string
		var g errgroup.Group
		g.SetLimit(walkers)
		for _, dir := range level {
			g.Go(func() error {
				entries, err := s.ReadDir(path.Join(c.Place.Path, dir))
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				} else if err != nil {
					return fmt.Errorf("directory %s: %w", path.Join(c.Place.Path, dir), err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, e := range entries {
					name := path.Join(dir, e.Name())
					switch {
					case strings.Contains(e.Name(), "/") || !fs.ValidPath(name):
					case e.IsDir():
						next = append(next, name)
					case !e.Mode().IsRegular():
					case strings.HasSuffix(name, temporary):
						if time.Since(e.ModTime()) > leftAfter {
							_ = s.Remove(path.Join(c.Place.Path, name))
						}
					default:
						files = append(files, found{name, e.Size()})
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		if level = next; len(level) == 0 {
			return files, nil
		}
	}
	return nil, final{errors.New("directories are too deep")}
}
