// Package sftptest has an SFTP server in this process, with faults, for tests.
//
// It keeps files below a directory that it does not leave, and lets one key in. What an OpenSSH server has and this
// one has not is fsync@openssh.com.
package sftptest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// T is a test, as far as it is needed here.
type T interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
	TempDir() string
}

// Server is an SSH server with SFTP alone.
type Server struct {
	Addr     string   // "127.0.0.1:port"
	Root     string   // directory that is "/" for clients
	User     string   // that may log in
	KeyFile  string   // with a private key that lets User in
	HostKeys []string // "ssh-ed25519 AAAA...", and another one of ECDSA

	Full     atomic.Bool   // writes fail, as where the disk is full
	ReadOnly atomic.Bool   // changes are refused
	NoRename atomic.Bool   // no file that was just written takes another name
	Silent   atomic.Bool   // nothing is answered any more
	Cut      atomic.Int64  // a connection is ended after so many octets of it were read, once; 0: not
	Logins   atomic.Int64  // so far
	Open     atomic.Int64  // connections
	Latency  time.Duration // of each answer; set before it is used

	t      T
	key    ssh.PublicKey
	root   *os.Root
	config *ssh.ServerConfig
	mu     sync.Mutex
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

// New starts a server on an address of the loopback that ends with the test.
func New(t T) *Server {
	t.Helper()
	s := &Server{t: t, Root: t.TempDir(), User: "backup", KeyFile: t.TempDir() + "/sshkey", conns: map[net.Conn]bool{}}
	public, private, err := ed25519.GenerateKey(nil)
	s.check(err)
	block, err := ssh.MarshalPrivateKey(private, "")
	s.check(err)
	var file bytes.Buffer
	s.check(pem.Encode(&file, block))
	s.check(os.WriteFile(s.KeyFile, file.Bytes(), 0o600))
	s.key, err = ssh.NewPublicKey(public)
	s.check(err)
	s.root, err = os.OpenRoot(s.Root)
	s.check(err)
	s.NewHostKeys()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.check(err)
	s.Addr = l.Addr().String()
	s.wg.Go(func() { s.accept(l) })
	t.Cleanup(func() {
		l.Close()
		s.CutAll()
		s.wg.Wait()
		s.root.Close()
	})
	return s
}

func (s *Server) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// URL is that of a directory below Root.
func (s *Server) URL(dir string) string { return "sftp://" + s.User + "@" + s.Addr + dir }

// NewHostKeys gives the server other host keys, for connections to come.
func (s *Server) NewHostKeys() {
	_, ed, err := ed25519.GenerateKey(nil)
	s.check(err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != s.User || !bytes.Equal(key.Marshal(), s.key.Marshal()) {
			return nil, errors.New("not this one")
		}
		return nil, nil
	}}
	var lines []string
	for _, key := range []any{ed, ec} {
		signer, err := ssh.NewSignerFromKey(key)
		s.check(err)
		config.AddHostKey(signer)
		lines = append(lines, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.HostKeys = config, lines
}

// CutAll ends all connections.
func (s *Server) CutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Server) serve(c net.Conn) {
	f := &faulty{Conn: c, s: s}
	s.mu.Lock()
	s.conns[c] = true
	config := s.config
	s.mu.Unlock()
	s.Open.Add(1)
	defer func() {
		c.Close()
		f.end()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.Open.Add(-1)
	}()
	if s.Latency > 0 {
		f.delay()
	}
	conn, channels, requests, err := ssh.NewServerConn(f, config)
	if err != nil {
		return
	}
	s.Logins.Add(1)
	s.wg.Go(func() { ssh.DiscardRequests(requests) })
	for n := range channels {
		if n.ChannelType() != "session" {
			n.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		ch, reqs, err := n.Accept()
		if err != nil {
			break
		}
		s.wg.Go(func() { s.session(ch, reqs) })
	}
	conn.Wait()
}

func (s *Server) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	for r := range requests {
		ok := r.Type == "subsystem" && string(r.Payload) == "\x00\x00\x00\x04sftp"
		r.Reply(ok, nil)
		if ok {
			s.wg.Go(func() {
				files := files{s}
				srv := sftp.NewRequestServer(ch, sftp.Handlers{FileGet: files, FilePut: files, FileCmd: files, FileList: files})
				srv.Serve()
				ch.Close()
			})
		}
	}
}

// faulty is a connection with the server's faults.
type faulty struct {
	net.Conn
	s     *Server
	read  int64
	queue chan late // nil: answers are not delayed
	ended sync.WaitGroup
}

// late is an answer that is sent at a time.
type late struct {
	at   time.Time
	data []byte
}

func (f *faulty) delay() {
	f.queue = make(chan late, 1<<14)
	f.ended.Go(func() {
		for l := range f.queue {
			time.Sleep(time.Until(l.at))
			f.Conn.Write(l.data)
		}
	})
}

func (f *faulty) end() {
	if f.queue != nil {
		close(f.queue)
	}
	f.ended.Wait()
}

func (f *faulty) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	f.read += int64(n)
	if cut := f.s.Cut.Load(); cut > 0 && f.read > cut && f.s.Cut.CompareAndSwap(cut, 0) {
		f.Close()
		return 0, io.EOF
	}
	return n, err
}

func (f *faulty) Write(b []byte) (int, error) {
	switch {
	case f.s.Silent.Load():
	case f.queue != nil:
		f.queue <- late{time.Now().Add(f.s.Latency), bytes.Clone(b)}
	default:
		return f.Conn.Write(b)
	}
	return len(b), nil
}

// files are those that a server has.
type files struct{ s *Server }

// local is a path below the root.
func local(p string) string {
	if p = strings.Trim(p, "/"); p == "" {
		return "."
	}
	return p
}

func (f files) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	return f.s.root.Open(local(r.Filepath))
}

func (f files) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	if f.s.ReadOnly.Load() {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	file, err := f.s.root.OpenFile(local(r.Filepath), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	return limited{file, f.s}, err
}

// limited is a file on a disk that may be full.
type limited struct {
	*os.File
	s *Server
}

func (l limited) WriteAt(b []byte, off int64) (int, error) {
	if l.s.Full.Load() {
		return 0, syscall.ENOSPC
	}
	return l.File.WriteAt(b, off)
}

func (f files) Filecmd(r *sftp.Request) error {
	name := local(r.Filepath)
	switch {
	case f.s.ReadOnly.Load():
		return sftp.ErrSSHFxPermissionDenied
	case r.Method == "Mkdir":
		return f.s.root.Mkdir(name, 0o700)
	case r.Method == "Remove" || r.Method == "Rmdir":
		return f.s.root.Remove(name)
	case r.Method == "Setstat":
		return f.s.root.Chmod(name, r.Attributes().FileMode().Perm())
	case r.Method == "Rename":
		if f.s.NoRename.Load() && strings.HasSuffix(name, ".tmp") && !strings.HasSuffix(name, ".old.tmp") {
			return sftp.ErrSSHFxFailure
		}
		if _, err := f.s.root.Stat(local(r.Target)); err == nil {
			return os.ErrExist
		}
		return f.s.root.Rename(name, local(r.Target))
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename is posix-rename@openssh.com.
func (f files) PosixRename(r *sftp.Request) error {
	if f.s.ReadOnly.Load() {
		return sftp.ErrSSHFxPermissionDenied
	}
	return f.s.root.Rename(local(r.Filepath), local(r.Target))
}

// StatVFS is statvfs@openssh.com.
func (f files) StatVFS(*sftp.Request) (*sftp.StatVFS, error) {
	v := &sftp.StatVFS{Bsize: 4096, Frsize: 4096, Blocks: 1000, Bfree: 1000, Bavail: 1000, Files: 1000, Favail: 1000}
	if f.s.Full.Load() {
		v.Bavail = 1
	}
	return v, nil
}

func (f files) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	name := local(r.Filepath)
	if r.Method != "List" {
		info, err := f.s.root.Stat(name)
		return infos{info}, err
	}
	dir, err := f.s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l, err := dir.Readdir(-1)
	return infos(l), err
}

type infos []os.FileInfo

func (l infos) ListAt(to []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, slices.Clone(l)[off:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}
