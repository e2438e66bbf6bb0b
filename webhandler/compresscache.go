package webhandler

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressCache keeps compressed files. What is used is touched in memory only: after a
// restart the order is that in which they were made.
type compressCache struct {
	dir   string
	limit int64
	slots chan struct{} // taken by who compresses

	mu      sync.Mutex // guards the rest
	entries map[string]*list.Element
	order   *list.List // of *cacheEntry, last used first
	bytes   int64
	making  map[string]chan struct{} // closed when the file of that name is made, or was not
}

type cacheEntry struct {
	name  string
	bytes int64
}

// cacheLevel takes about 25 ms for a megabyte, once.
const cacheLevel = 7

const cacheSuffix = ".gz"

func openCompressCache(dir string, limit int64) (*compressCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &compressCache{
		dir: dir, limit: limit, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		entries: map[string]*list.Element{}, order: list.New(), making: map[string]chan struct{}{},
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var infos []fs.FileInfo
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if !strings.HasSuffix(f.Name(), cacheSuffix) {
			// Left by a process that was killed.
			_ = os.Remove(filepath.Join(dir, f.Name()))
			continue
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		c.add(info.Name(), info.Size())
	}
	return c, nil
}

// cacheName is that of the compressed file for a path with a content, which is known by all that the
// file system tells: one that was replaced by another with the same time (as copies that keep it
// have) has another size, inode or time of change. Names may have 255 octets; long paths are told
// apart by a hash.
func cacheName(path string, info fs.FileInfo) string {
	key := base64.RawURLEncoding.EncodeToString([]byte(path))
	if len(key) > 160 {
		sum := sha256.Sum256([]byte(path))
		key = "sha256-" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	inode, changed := fileVersion(info)
	return fmt.Sprintf("%s+%x-%x-%x-%x%s", key, info.ModTime().UnixNano(), info.Size(), inode, changed, cacheSuffix)
}

// open returns a file in compressed form, which the caller closes. It is made if it is not
// there; who comes meanwhile waits.
func (c *compressCache) open(ctx context.Context, path string, file *os.File, info fs.FileInfo) (*os.File, error) {
	name := cacheName(path, info)
	for {
		c.mu.Lock()
		if e := c.entries[name]; e != nil {
			c.order.MoveToFront(e)
			c.mu.Unlock()
			f, err := os.Open(filepath.Join(c.dir, name))
			if !errors.Is(err, fs.ErrNotExist) {
				return f, err
			}
			c.forget(name) // someone has removed it
			continue
		}
		wait := c.making[name]
		if wait == nil {
			done := make(chan struct{})
			c.making[name] = done
			c.mu.Unlock()
			defer func() {
				c.mu.Lock()
				delete(c.making, name)
				c.mu.Unlock()
				close(done)
			}()
			return c.make(ctx, name, file, info)
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// make compresses a file.
func (c *compressCache) make(ctx context.Context, name string, file *os.File, info fs.FileInfo) (*os.File, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tmp, err := os.CreateTemp(c.dir, "making-*")
	if err != nil {
		return nil, err
	}
	n, err := compressTo(tmp, io.NewSectionReader(file, 0, info.Size()))
	if err == nil && n != info.Size() {
		err = errors.New("file changed while it was read")
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	path := filepath.Join(c.dir, name)
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	made, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	c.add(name, made.Size())
	return f, nil
}

func compressTo(w io.Writer, r io.Reader) (int64, error) {
	z, err := gzip.NewWriterLevel(w, cacheLevel)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(z, r)
	if err != nil {
		return n, err
	}
	return n, z.Close()
}

// add notes a file, and removes those that are too many then.
func (c *compressCache) add(name string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[name] = c.order.PushFront(&cacheEntry{name, size})
	c.bytes += size
	for c.bytes > c.limit && c.order.Len() > 1 {
		e := c.order.Back().Value.(*cacheEntry)
		c.drop(e.name)
		// If it stays, the next start counts it again.
		_ = os.Remove(filepath.Join(c.dir, e.name))
	}
}

func (c *compressCache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(name)
}

// drop forgets a file; c.mu is held.
func (c *compressCache) drop(name string) {
	if e := c.entries[name]; e != nil {
		c.bytes -= e.Value.(*cacheEntry).bytes
		c.order.Remove(e)
		delete(c.entries, name)
	}
}
