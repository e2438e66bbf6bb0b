package ownership

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// User is the user that a server works as.
type User struct {
	UID, GID uint32
	Groups   []uint32 // further ones that the system knows for the user
	Believed bool     // taken to change nothing: what the user could change is believed all the same
}

// Errors of Lookup.
var (
	// ErrNone: no user is named.
	ErrNone = errors.New("mox.conf has no User to run the server as: set it, or start mox as another user than root")
	// ErrRoot: the user is root.
	ErrRoot = errors.New("user of mox.conf must not be root")
)

// Lookup finds the user with a name; a name that does not exist is taken as a number for both
// user and group.
func Lookup(name string) (User, error) {
	if name == "" {
		return User{}, ErrNone
	}
	uidText, gidText := name, name
	known, err := user.Lookup(name)
	if err == nil {
		uidText, gidText = known.Uid, known.Gid
	}
	uid, uerr := strconv.ParseUint(uidText, 10, 32)
	gid, gerr := strconv.ParseUint(gidText, 10, 32)
	switch {
	case errors.Join(uerr, gerr) != nil && err != nil:
		return User{}, fmt.Errorf("user of mox.conf: %w (make that user, or set a number)", err)
	case errors.Join(uerr, gerr) != nil:
		return User{}, fmt.Errorf("user %q: %w", name, errors.Join(uerr, gerr))
	case uid == 0:
		return User{}, ErrRoot
	}
	return User{UID: uint32(uid), GID: uint32(gid), Groups: groups(uidText)}, nil
}

// ByID is the user with an id, as which a server works already.
func ByID(uid, gid uint32) User {
	return User{UID: uid, GID: gid, Groups: groups(strconv.FormatUint(uint64(uid), 10))}
}

// groups are those of a user, as far as the system knows the user.
func groups(uid string) []uint32 {
	known, err := user.LookupId(uid)
	if err != nil {
		return nil
	}
	ids, err := known.GroupIds()
	if err != nil {
		return nil
	}
	var gids []uint32
	for _, id := range append(ids, known.Gid) {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil && !slices.Contains(gids, uint32(n)) {
			gids = append(gids, uint32(n))
		}
	}
	return gids
}

// Sharers are the names of other users who are in the user's group, as far as files of this system tell.
// They can read mox.conf, and what the user makes in its directory.
func (u User) Sharers() []string {
	passwd, _ := os.ReadFile("/etc/passwd")
	group, _ := os.ReadFile("/etc/group")
	return members(u, string(passwd), string(group))
}

// members are those of the group of a user, other than the user and root, as of the text of passwd(5) and
// group(5).
func members(u User, passwd, group string) []string {
	uid, gid := strconv.FormatUint(uint64(u.UID), 10), strconv.FormatUint(uint64(u.GID), 10)
	own := map[string]bool{"": true, "root": true}
	var names []string
	for line := range strings.Lines(passwd) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) < 4 {
			continue
		} else if f[2] == uid || f[2] == "0" {
			own[f[0]] = true
		} else if f[3] == gid {
			names = append(names, f[0])
		}
	}
	for line := range strings.Lines(group) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= 4 && f[2] == gid {
			names = append(names, strings.Split(f[3], ",")...)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return own[name] })
	slices.Sort(names)
	return slices.Compact(names)
}

// ChangeableError tells that the user of the server could put something else into the place of
// what is at a path.
type ChangeableError struct {
	Path string // what was to be used
	At   string // what the user can change: Path, or a directory or link on the way to it
	UID  uint32
}

func (e *ChangeableError) Error() string {
	what := e.Path
	if e.At != e.Path {
		what = e.At + ", on the way to " + e.Path + ","
	}
	return fmt.Sprintf("%s can be changed or replaced by the user of the server (id %d), who must not decide what root does: chown root %s; chmod go-w %s", what, e.UID, e.At, e.At)
}

// Layout is an installation. Paths are absolute.
type Layout struct {
	Config string   // mox.conf
	Data   string   // data directory; made if it is missing
	Keep   []string // files that stay as they are, such as TLS keys and programs
	User   User
	Log    *slog.Logger // told of each change
}
