package serve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"mox/ownership"
)

// The worker may not read key files that belong to root. For certificates that are renewed it
// asks the parent for them over a pair of sockets, of which it has the descriptor named in this
// variable of the environment.
//
// A request is two octets: the number of a file in MOX_FILES. An answer is an octet, 0 for the
// content of the file and 1 for the text of an error, four octets for the length, and that.
// The worker cannot name files, so it gets no others by this.
const envKeyFiles = "MOX_KEYFILES"

// maxKeyFile bounds the files.
const maxKeyFile = 1 << 20

// keyFileTimeout is for one request.
const keyFileTimeout = 10 * time.Second

// keyFileReader is the worker's side.
type keyFileReader struct {
	paths []string

	mu   sync.Mutex // held for a request
	conn net.Conn
	err  error // the connection is of no use any more
}

// inheritKeyFileReader takes over what the environment names; nil if there is nothing.
func inheritKeyFileReader(paths []string) (*keyFileReader, error) {
	text := os.Getenv(envKeyFiles)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(envKeyFiles)
	fd, err := strconv.ParseUint(text, 10, 16)
	if err != nil || fd < firstFD {
		return nil, fmt.Errorf("environment variable %s: bad descriptor %q", envKeyFiles, text)
	}
	f := os.NewFile(uintptr(fd), "key files")
	if f == nil {
		return nil, fmt.Errorf("environment variable %s: no descriptor %d", envKeyFiles, fd)
	}
	defer f.Close() // FileConn has its own duplicate
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("connection for key files: %w", err)
	}
	return &keyFileReader{paths: paths, conn: conn}, nil
}

// read returns the content of a file.
func (r *keyFileReader) read(path string) ([]byte, error) {
	n := slices.Index(r.paths, path)
	if n < 0 {
		return os.ReadFile(path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	data, failed, err := r.ask(uint16(n))
	if err != nil {
		r.err = fmt.Errorf("asking the parent for %s, a restart is needed for new certificates: %w", path, err)
		return nil, r.err
	}
	if failed {
		return nil, errors.New(string(data))
	}
	return data, nil
}

func (r *keyFileReader) ask(n uint16) (data []byte, failed bool, err error) {
	if err := r.conn.SetDeadline(time.Now().Add(keyFileTimeout)); err != nil {
		return nil, false, err
	}
	if _, err := r.conn.Write(binary.BigEndian.AppendUint16(nil, n)); err != nil {
		return nil, false, err
	}
	var header [5]byte
	if _, err := io.ReadFull(r.conn, header[:]); err != nil {
		return nil, false, err
	}
	size := binary.BigEndian.Uint32(header[1:])
	if size > maxKeyFile {
		return nil, false, errors.New("answer is too long")
	}
	data = make([]byte, size)
	_, err = io.ReadFull(r.conn, data)
	return data, header[0] != 0, err
}

// serveKeyFiles is the parent's side. It returns when the worker has closed its own. user is who the
// worker is, if that is another than who the parent is.
func serveKeyFiles(conn io.ReadWriter, paths []string, user *ownership.User) {
	for {
		var request [2]byte
		if _, err := io.ReadFull(conn, request[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(request[:]))
		data, err := []byte(nil), errors.New("no such file is configured")
		if n < len(paths) {
			data, err = readKeyFile(paths[n], user)
		}
		status := byte(0)
		if err != nil {
			status, data = 1, []byte(err.Error())
		}
		answer := binary.BigEndian.AppendUint32([]byte{status}, uint32(len(data)))
		if _, err := conn.Write(append(answer, data...)); err != nil {
			return
		}
	}
}

// readKeyFile reads a file that user, unless nil, cannot have put there in place of another.
func readKeyFile(path string, user *ownership.User) ([]byte, error) {
	f, err := ownership.Open(path, user)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	return data, err
}
