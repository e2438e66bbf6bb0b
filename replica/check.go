package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"mox/backup"
)

// Check reads all segments and tells of those that are damaged or missing. Bases are checked
// with the repository. It returns how many commits it has seen.
func Check(ctx context.Context, repo *backup.Repository, problem func(text string)) (commits int, _ error) {
	c, err := list(ctx, repo, backup.ReplicaPrefix)
	if err != nil {
		return 0, err
	}
	for _, name := range slices.Sorted(keys(c)) {
		for _, gen := range slices.Sorted(keys(c[name])) {
			if !slices.Contains(c[name][gen], backup.BaseName) {
				continue // its base is being stored, or was not
			}
			n, err := checkGeneration(ctx, repo, name, gen, len(c[name][gen])-1)
			commits += n
			if ctx.Err() != nil {
				return commits, ctx.Err()
			} else if err != nil {
				problem(err.Error())
			}
		}
	}
	return commits, nil
}

func checkGeneration(ctx context.Context, repo *backup.Repository, name, gen string, segments int) (n int, _ error) {
	b, err := repo.Base(ctx, baseName(name, gen))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // it was removed meanwhile
	} else if err != nil {
		return 0, err
	}
	chain := chainStart(name, gen)
	for i := range segments {
		var commits []timedCommit
		if commits, chain, err = readSegment(ctx, repo, segmentName(name, gen, i+1), chain, b.File.PageSize); err != nil {
			if _, err := repo.Base(ctx, baseName(name, gen)); errors.Is(err, fs.ErrNotExist) {
				return n, nil
			}
			return n, err
		}
		n += len(commits)
	}
	return n, nil
}

// readSegment returns the commits of a segment that follows a chain, and the chain after it.
func readSegment(ctx context.Context, repo *backup.Repository, object string, chain []byte, page int) ([]timedCommit, []byte, error) {
	sealed, err := repo.Storage().Get(ctx, object, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w: it is missing", object, backup.ErrDamaged)
	} else if err != nil {
		return nil, nil, err
	}
	plain, err := repo.Unseal(object, sealed)
	if err != nil {
		return nil, nil, err
	}
	commits, chain, err := decodeSegment(plain, chain, page)
	if err != nil {
		err = fmt.Errorf("%s: %w", object, err)
	}
	return commits, chain, err
}
