package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Names of objects of a repository.
const (
	headName       = "mox-repository.json"
	packPrefix     = "packs/"
	indexPrefix    = "index/"
	snapshotPrefix = "snapshots/"
	lockPrefix     = "locks/"
	// ReplicaPrefix is where package replica keeps its objects.
	ReplicaPrefix = "replica/"
)

// Sizes of a repository.
const (
	chunkSize = 64 << 10 // of content: whole pages of a database
	packSize  = 8 << 20  // from which a pack is written
	idSize    = len(ID{})
	listSize  = chunkSize / idSize // names of chunks in a chunk of names
)

// Errors about repositories.
var (
	ErrNoRepository = errors.New("no repository there")
	ErrLocked       = errors.New("repository is locked")
	ErrNoSnapshot   = errors.New("no such snapshot")

	errRepositoryThere = errors.New("there is a repository already")
)

// repositoryHead is the object by which a repository is known.
type repositoryHead struct {
	Version   int
	ID        string
	Salt      []byte
	Encrypted bool
	// Check is a sealed text, by which a wrong key is known.
	Check []byte
}

const checkText = "mox backup repository"

// Repository keeps snapshots. It is for one goroutine at a time, except [Repository.Seal] and
// what is named there.
type Repository struct {
	Now func() time.Time

	store  Storage
	seal   *sealer
	head   repositoryHead
	enc    *zstd.Encoder
	dec    *zstd.Decoder
	loaded bool
	packs  []string          // names, by number
	where  map[ID]location   // of chunks
	files  map[string]bool   // index objects that were read
	number map[string]uint32 // of packs
}

// location is where a chunk is.
type location struct {
	pack         uint32
	offset, size uint32
}

// CreateRepository makes a repository in a storage that has none.
func CreateRepository(ctx context.Context, s Storage, key Key) error {
	if _, err := s.Get(ctx, headName, 0, -1); err == nil {
		return fmt.Errorf("%s: %w", s, errRepositoryThere)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h := repositoryHead{Version: 1, ID: randomName(), Salt: make([]byte, 32), Encrypted: !key.none()}
	rand.Read(h.Salt) // never fails
	seal, err := newSealer(key, h.Salt)
	if err != nil {
		return err
	}
	h.Check = seal.seal("check", []byte(checkText))
	b, err := json.MarshalIndent(h, "", "\t")
	if err != nil {
		return err
	}
	return s.Put(ctx, headName, append(b, '\n'))
}

func randomName() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// OpenRepository opens a repository. The error wraps ErrNoRepository where there is none.
func OpenRepository(ctx context.Context, s Storage, key Key) (*Repository, error) {
	b, err := s.Get(ctx, headName, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", s, ErrNoRepository)
	} else if err != nil {
		return nil, fmt.Errorf("opening repository: %w", err)
	}
	r := &Repository{store: s, Now: time.Now}
	if err := json.Unmarshal(b, &r.head); err != nil {
		return nil, fmt.Errorf("opening repository %s: %w: %w", s, ErrDamaged, err)
	}
	switch {
	case r.head.Version != 1:
		return nil, fmt.Errorf("opening repository %s: version %d is not known to this program", s, r.head.Version)
	case r.head.Encrypted && key.none():
		return nil, fmt.Errorf("opening repository %s: it is encrypted: its key is needed", s)
	case !r.head.Encrypted && !key.none():
		return nil, fmt.Errorf("opening repository %s: it is not encrypted, but a key is given; make another repository for encrypted backups", s)
	}
	if r.seal, err = newSealer(key, r.head.Salt); err != nil {
		return nil, err
	}
	if text, err := r.seal.open("check", r.head.Check); err != nil || string(text) != checkText {
		return nil, fmt.Errorf("opening repository %s: the key is not that of this repository", s)
	}
	r.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(chunkSize), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	r.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxObject), zstd.WithDecoderLowmem(true))
	return r, err
}

// OpenOrCreate opens a repository, making it where the storage has none. Only one at a time may do that
// for a storage: of two that make it, the later one's key material is what remains.
func OpenOrCreate(ctx context.Context, s Storage, key Key) (*Repository, error) {
	r, err := OpenRepository(ctx, s, key)
	if errors.Is(err, ErrNoRepository) {
		// Another one may have been quicker.
		if err := CreateRepository(ctx, s, key); err != nil && !errors.Is(err, errRepositoryThere) {
			return nil, fmt.Errorf("making repository: %w", err)
		}
		r, err = OpenRepository(ctx, s, key)
	}
	return r, err
}

// Close gives memory back, and ends the connection of the storage, if it has one.
func (r *Repository) Close() {
	disconnect(r.store)
	r.enc.Close()
	r.dec.Close()
}

// Storage is where the repository is.
func (r *Repository) Storage() Storage { return r.store }

// Seal protects an object of another package in the repository's storage, compressed, by the
// name that it will have.
func (r *Repository) Seal(name string, data []byte) []byte {
	return r.seal.seal(name, pack(r.enc, data))
}

// Unseal undoes Seal. The error wraps ErrDamaged.
func (r *Repository) Unseal(name string, b []byte) ([]byte, error) {
	b, err := r.seal.open(name, b)
	if err != nil {
		return nil, err
	}
	return unpack(r.dec, name, b)
}

// First octets of compressed data: how.
const (
	packedNot  = 0
	packedZstd = 1
)

func pack(enc *zstd.Encoder, data []byte) []byte {
	b := enc.EncodeAll(data, append(make([]byte, 0, len(data)/2+64), packedZstd))
	if len(b) > len(data) {
		b = append(append(b[:0], packedNot), data...)
	}
	return b
}

func unpack(dec *zstd.Decoder, what string, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%s: %w: empty", what, ErrDamaged)
	}
	switch b[0] {
	case packedNot:
		return b[1:], nil
	case packedZstd:
		data, err := dec.DecodeAll(b[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", what, ErrDamaged, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s: %w: unknown compression", what, ErrDamaged)
}

// putJSON writes a sealed object.
func (r *Repository) putJSON(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.store.Put(ctx, name, r.Seal(name, b))
}

func (r *Repository) getJSON(ctx context.Context, name string, v any) error {
	b, err := r.store.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	if b, err = r.Unseal(name, b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	return nil
}

// indexFile tells what is in packs.
type indexFile struct{ Packs []indexPack }

type indexPack struct {
	Name   string // below packs/
	Size   int64
	Chunks []byte // for each chunk: its name, and four octets of size; they follow each other
}

// entrySize is that of a chunk in indexPack.Chunks.
const entrySize = idSize + 4

// load reads what is known about chunks, once.
func (r *Repository) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	r.packs, r.where, r.files, r.number = nil, map[ID]location{}, map[string]bool{}, map[string]uint32{}
	err := r.store.List(ctx, indexPrefix, func(o Object) error {
		var f indexFile
		if err := r.getJSON(ctx, o.Name, &f); err != nil {
			return err
		}
		r.files[o.Name] = true
		for i := range f.Packs {
			if err := r.know(&f.Packs[i]); err != nil {
				return fmt.Errorf("%s: %w", o.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading index of repository: %w", err)
	}
	r.loaded = true
	return nil
}

func (r *Repository) know(p *indexPack) error {
	if len(p.Chunks)%entrySize != 0 {
		return fmt.Errorf("%w: index of pack %s", ErrDamaged, p.Name)
	}
	n, ok := r.number[p.Name]
	if !ok {
		n = uint32(len(r.packs))
		r.packs = append(r.packs, p.Name)
		r.number[p.Name] = n
	}
	off := uint32(0)
	for b := p.Chunks; len(b) > 0; b = b[entrySize:] {
		size := uint32(b[idSize])<<24 | uint32(b[idSize+1])<<16 | uint32(b[idSize+2])<<8 | uint32(b[idSize+3])
		r.where[ID(b[:idSize])] = location{n, off, size}
		off += size
	}
	return nil
}

// packPath is the name of the object of a pack.
func packPath(name string) string { return packPrefix + name[:2] + "/" + name }

// chunkName is what a chunk is called where it is sealed.
func chunkName(id ID) string { return "chunk" + string(id[:]) }

// decode makes a chunk's content of what is stored.
func (r *Repository) decode(id ID, b []byte) ([]byte, error) {
	b, err := r.seal.open(chunkName(id), b)
	if err == nil {
		b, err = unpack(r.dec, "chunk", b)
	}
	if err == nil && r.seal.name(b) != id {
		err = ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("chunk %x: %w", id[:8], ErrDamaged)
	}
	return b, nil
}

// Snapshot is one backup in a repository.
type Snapshot struct {
	Name     string // of the object, and for people: time, nanoseconds and a random part
	Time     time.Time
	Ended    time.Time
	Mox      string // version of the program
	Host     string
	Files    []SnapshotFile
	Failures []string `json:",omitempty"` // what is missing, and why
	Stats    RunStats
}

// SnapshotFile is a file of a snapshot.
type SnapshotFile struct {
	Item
	// List has names of chunks, each of which has names of chunks of content.
	List []byte
}

// RunStats are figures of the making of a snapshot.
type RunStats struct {
	Files, Unchanged     int   // of which Unchanged were not read
	Size, Read           int64 // of all files; read
	NewChunks, NewStored int64 // chunks that were not there before; octets that they take
}

// File returns the file with a path.
func (s *Snapshot) File(path string) (*SnapshotFile, bool) {
	i := slices.IndexFunc(s.Files, func(f SnapshotFile) bool { return f.Path == path })
	if i < 0 {
		return nil, false
	}
	return &s.Files[i], true
}

// SnapshotNames returns the names of all snapshots, the oldest first.
func (r *Repository) SnapshotNames(ctx context.Context) ([]string, error) {
	var names []string
	err := r.store.List(ctx, snapshotPrefix, func(o Object) error {
		names = append(names, strings.TrimPrefix(o.Name, snapshotPrefix))
		return nil
	})
	slices.Sort(names)
	return names, err
}

// snapshotTime is how names of snapshots begin.
const snapshotTime = "20060102T150405Z"

// snapshotName is a new name. Two of one second are in their order too: which is the latest is known by
// the names.
func snapshotName(now time.Time) string {
	return fmt.Sprintf("%s-%08x%s", now.UTC().Format(snapshotTime), now.Nanosecond(), randomName()[:8])
}

// NameTime is the time in the name of a snapshot.
func NameTime(name string) (time.Time, bool) {
	if len(name) < len(snapshotTime) {
		return time.Time{}, false
	}
	t, err := time.Parse(snapshotTime, name[:len(snapshotTime)])
	return t, err == nil
}

// Snapshot reads a snapshot by name.
func (r *Repository) Snapshot(ctx context.Context, name string) (*Snapshot, error) {
	var s Snapshot
	if err := r.getJSON(ctx, snapshotPrefix+name, &s); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoSnapshot, name)
	} else if err != nil {
		return nil, fmt.Errorf("reading snapshot %s: %w", name, err)
	}
	s.Name = name
	return &s, nil
}

// At returns the latest snapshot that was begun at a time or before; the zero time: the latest
// of all.
func (r *Repository) At(ctx context.Context, at time.Time) (*Snapshot, error) {
	names, err := r.SnapshotNames(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Backward(names) {
		if t, ok := NameTime(name); ok && (at.IsZero() || !t.After(at)) {
			return r.Snapshot(ctx, name)
		}
	}
	if at.IsZero() {
		return nil, fmt.Errorf("%w: the repository has none yet", ErrNoSnapshot)
	}
	return nil, fmt.Errorf("%w: none is as old as %s", ErrNoSnapshot, at.Format(time.RFC3339))
}

// lockFile is who uses a repository.
type lockFile struct {
	Host      string
	PID       int
	Exclusive bool
	Time      time.Time
}

// lockTime is after how long a lock counts no more: it is renewed at a third of it.
const lockTime = 30 * time.Minute

// lock keeps others from removing what is used, or, if exclusive, from using it at all. The
// lock is renewed until release is called.
func (r *Repository) lock(ctx context.Context, exclusive bool) (release func(), _ error) {
	name := lockPrefix + randomName()
	host, _ := os.Hostname()
	put := func(ctx context.Context) error {
		return r.putJSON(ctx, name, lockFile{host, os.Getpid(), exclusive, r.Now().UTC()})
	}
	if err := put(ctx); err != nil {
		return nil, fmt.Errorf("locking repository: %w", err)
	}
	remove := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_ = r.store.Delete(ctx, name)
	}
	// Both put theirs before they look: of two that exclude each other, at least one sees it.
	if err := r.others(ctx, name, exclusive); err != nil {
		remove()
		return nil, err
	}
	// Not compressed: the encoder is for one goroutine.
	done, ended := make(chan struct{}), make(chan struct{})
	seal, now := r.seal, r.Now
	go func() {
		defer close(ended)
		t := time.NewTicker(lockTime / 3)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if b, err := json.Marshal(lockFile{host, os.Getpid(), exclusive, now().UTC()}); err == nil {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockTime/3)
					_ = r.store.Put(ctx, name, seal.seal(name, append([]byte{packedNot}, b...)))
					cancel()
				}
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		remove()
	}, nil
}

// Use keeps others from removing what is read until release is called, and makes what they
// have changed before known. The error wraps ErrLocked while they do.
func (r *Repository) Use(ctx context.Context) (release func(), _ error) {
	release, err := r.lock(ctx, false)
	r.loaded = false
	return release, err
}

// others looks for locks that exclude.
func (r *Repository) others(ctx context.Context, own string, exclusive bool) error {
	return r.store.List(ctx, lockPrefix, func(o Object) error {
		if o.Name == own {
			return nil
		}
		var l lockFile
		if err := r.getJSON(ctx, o.Name, &l); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if r.Now().Sub(l.Time) > lockTime {
			return r.store.Delete(ctx, o.Name)
		}
		if exclusive || l.Exclusive {
			return fmt.Errorf("%w by process %d on %s since %s; after the end of a process that was killed it lasts %v", ErrLocked, l.PID, l.Host, l.Time.Format(time.RFC3339), lockTime)
		}
		return nil
	})
}
