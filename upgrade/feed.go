package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"mox/updates"
)

// ErrNewest: the feed has nothing newer than the program in use. Nothing was changed.
var ErrNewest = errors.New("there is no newer version")

// Feed is a Source: a program of a signed feed of releases.
type Feed struct {
	Client *updates.Client
	// Version is that of the release. Zero: the newest, which has to be newer than the program in use,
	// and is a pre-release only if that is one.
	Version updates.Version
	// Downgrade allows Version to be the same as, or older than, that of the program in use.
	Downgrade bool
	// Tell gets a line of progress. Nil: nobody wants it.
	Tell func(format string, args ...any)
}

// Fetch downloads and verifies the program for this platform.
func (f Feed) Fetch(ctx context.Context, from string, w io.Writer) (string, error) {
	fetched, err := f.Client.Changelog(ctx, "")
	if err != nil {
		return "", err
	}
	r, err := f.choose(fetched.Releases, from)
	if err != nil {
		return "", err
	}
	file, ok := r.File(runtime.GOOS, runtime.GOARCH)
	if !ok {
		return "", fmt.Errorf("version %s has no program for %s/%s, only for: %s", r.Version, runtime.GOOS, runtime.GOARCH, r.Platforms())
	}
	if f.Tell != nil {
		f.Tell("fetching %s of %s, %d MB", r.Parsed(), r.Date, (file.Size+1<<20-1)>>20)
	}
	if err := f.Client.Download(ctx, file, w); err != nil {
		return "", err
	}
	if f.Tell != nil {
		f.Tell("%s is what %s has signed", r.Parsed(), updates.FormatPublicKey(r.Signer()))
	}
	return r.Parsed().String(), nil
}

// choose returns the release to go to.
func (f Feed) choose(releases []updates.Release, from string) (updates.Release, error) {
	running, isRelease := updates.VersionOf(from)
	if f.Version.IsZero() {
		if !isRelease {
			return updates.Release{}, fmt.Errorf("the program in use is %q, which is no release: name the version to go to by -version; the newest is %s", from, releases[0].Parsed())
		}
		if l := updates.Newer(releases, running); len(l) > 0 {
			return l[0], nil
		}
		return updates.Release{}, fmt.Errorf("%w than %s", ErrNewest, running)
	}
	for _, r := range releases {
		if r.Parsed().Compare(f.Version) != 0 {
			continue
		}
		if isRelease && !f.Version.Newer(running) && !f.Downgrade {
			return updates.Release{}, fmt.Errorf("version %s is not newer than %s, the program in use: to go there all the same, add -downgrade", f.Version, running)
		}
		return r, nil
	}
	return updates.Release{}, fmt.Errorf("the feed has no version %s; the newest is %s", f.Version, releases[0].Parsed())
}
