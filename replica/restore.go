package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"mox/backup"
)

// Restored tells what was restored.
type Restored struct {
	Name       string    // of the database: path below the data directory
	Generation string    //
	Base       time.Time // when the base was stored
	Last       time.Time // of the last commit in it; that of the base when there was none
	Commits    int       // after the base
}

// ErrNone is that the replica does not have a database as of a time.
var ErrNone = errors.New("the replica does not have it as of that time")

// contents is what the replica has: names of databases, of their generations, and the numbers of
// their segments.
type contents map[string]map[string][]string

// list reads what there is.
func list(ctx context.Context, repo *backup.Repository, prefix string) (contents, error) {
	c := contents{}
	err := repo.Storage().List(ctx, prefix, func(o backup.Object) error {
		rest := strings.TrimPrefix(o.Name, backup.ReplicaPrefix)
		dir, file := path.Split(rest)
		name, gen := path.Split(strings.TrimSuffix(dir, "/"))
		name = strings.TrimSuffix(name, "/")
		if name == "" || gen == "" {
			return nil
		}
		if c[name] == nil {
			c[name] = map[string][]string{}
		}
		c[name][gen] = append(c[name][gen], file)
		return nil
	})
	return c, err
}

// Names returns the databases that a replica has.
func Names(ctx context.Context, repo *backup.Repository) ([]string, error) {
	c, err := list(ctx, repo, backup.ReplicaPrefix)
	return slices.Sorted(keys(c)), err
}

// Restore writes a database as it was at a time to a new file; the zero time: as it is last
// known. An error that wraps backup.ErrDamaged together with a Restored that has a Name: what
// follows the moment it tells is damaged, and the file is as of that.
func Restore(ctx context.Context, repo *backup.Repository, name string, at time.Time, file string) (Restored, error) {
	c, err := list(ctx, repo, dirName(name))
	if err != nil {
		return Restored{}, err
	}
	gens := slices.Sorted(keys(c[name]))
	for _, gen := range slices.Backward(gens) {
		if !slices.Contains(c[name][gen], backup.BaseName) {
			continue
		}
		b, err := repo.Base(ctx, baseName(name, gen))
		if err != nil {
			return Restored{}, err
		}
		if !at.IsZero() && b.Time.After(at) {
			continue
		}
		res := Restored{Name: name, Generation: gen, Base: b.Time, Last: b.Time}
		if err := restoreBase(ctx, repo, b, file); err != nil {
			return Restored{}, err
		}
		segments := slices.DeleteFunc(slices.Sorted(slices.Values(c[name][gen])), func(s string) bool { return s == backup.BaseName })
		err = apply(ctx, repo, &res, b, segments, at, file)
		return res, err
	}
	return Restored{}, fmt.Errorf("%s: %w", name, ErrNone)
}

func restoreBase(ctx context.Context, repo *backup.Repository, b *backup.Base, file string) error {
	body, err := repo.Open(ctx, &b.File)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// apply writes the commits of segments up to a time.
func apply(ctx context.Context, repo *backup.Repository, res *Restored, b *backup.Base, segments []string, at time.Time, file string) (rerr error) {
	out, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { rerr = errors.Join(rerr, out.Sync(), out.Close()) }()
	chain := chainStart(res.Name, res.Generation)
	for i, s := range segments {
		object := segmentName(res.Name, res.Generation, i+1)
		if path.Base(object) != s {
			return fmt.Errorf("%s: %w: it is missing", object, backup.ErrDamaged)
		}
		var commits []timedCommit
		if commits, chain, err = readSegment(ctx, repo, object, chain, b.File.PageSize); err != nil {
			return err
		}
		for _, c := range commits {
			if !at.IsZero() && c.Time.After(at) {
				return nil
			}
			if err := write(out, &c, b.File.PageSize); err != nil {
				return err
			}
			res.Commits++
			res.Last = c.Time
		}
	}
	return nil
}

// write applies a commit.
func write(out *os.File, c *timedCommit, page int) error {
	for _, f := range c.Frames {
		if _, err := out.WriteAt(f.Data, int64(f.Page-1)*int64(page)); err != nil {
			return err
		}
	}
	return out.Truncate(int64(c.Pages) * int64(page))
}

// Prune removes generations that are not needed to restore any moment from a time on.
func Prune(ctx context.Context, repo *backup.Repository, from time.Time) error {
	c, err := list(ctx, repo, backup.ReplicaPrefix)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(keys(c)) {
		gens := slices.Sorted(keys(c[name]))
		for i, gen := range gens {
			// The next one has everything from its beginning on.
			if i+1 == len(gens) || !generationTime(gens[i+1]).Before(from) {
				break
			}
			// The base last: without it the rest would not be known any more.
			files := c[name][gen]
			slices.Sort(files)
			for _, f := range files {
				if err := repo.Storage().Delete(ctx, path.Join(dirName(name), gen, f)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// generationTime is when a generation began; a name that is none: never removed.
func generationTime(gen string) time.Time {
	stamp, _, _ := strings.Cut(gen, "-")
	t, err := time.Parse("20060102T150405.000Z", stamp)
	if err != nil {
		return time.Unix(1<<40, 0)
	}
	return t
}
