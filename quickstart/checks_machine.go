package quickstart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/ownership"
)

// What a server should have. Idle it takes some 25 MB of memory; argon2id, indexing and large
// messages take more.
const (
	enoughMemory = 480 << 20
	enoughDisk   = 2 << 30
	enoughFiles  = 4096
)

func checkMemory(_ context.Context, s *survey) []Finding {
	n, known := s.o.Machine.Memory()
	switch {
	case !known:
		return []Finding{note("", "How much there is is not known.")}
	case n < enoughMemory:
		return []Finding{warning("Add swap space, or take a machine with 512 MB or more: fallocate -l 1G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile", "Only %s. It does for few users; large messages may fail.", size(n))}
	}
	return []Finding{ok("%s.", size(n))}
}

func checkDisk(_ context.Context, s *survey) []Finding {
	n, known := s.o.Machine.Disk(s.o.Dir)
	switch {
	case !known:
		return []Finding{note("", "How much is free is not known.")}
	case n < enoughDisk:
		return []Finding{warning("Make room, or put the installation on another file system. Mail that does not fit is refused for the time being.", "Only %s are free in this directory.", size(n))}
	}
	return []Finding{ok("%s are free.", size(n))}
}

func checkOpenFiles(_ context.Context, s *survey) []Finding {
	n, known := s.o.Machine.OpenFiles()
	switch {
	case !known:
		return []Finding{note("", "How many there may be is not known.")}
	case n < enoughFiles:
		return []Finding{warning("Start mox by its service unit, which allows 65535, or raise the limit: ulimit -Hn 65535, LimitNOFILE of systemd, /etc/security/limits.conf.", "A process here may have only %d open files, each connection being one.", n)}
	}
	return []Finding{ok("A process may have %d.", n)}
}

func checkUser(_ context.Context, s *survey) []Finding {
	user := s.o.User
	if s.o.Docker || s.o.Machine.OS == "windows" {
		return []Finding{ok("%s.", user)}
	}
	var found []Finding
	if !s.o.Machine.HasUser(user) {
		found = append(found, note(s.addUser(), "There is no user %s yet, as which the server runs once it has its ports.", user))
	}
	if err := s.place(); err != nil {
		found = append(found, problem(fmt.Sprintf("chown root %[1]s; chmod go-w %[1]s", err.At),
			"User %s can change directory %s, and so put another configuration into the place of that which root believes: whoever takes over the server would be root.", user, err.At))
	}
	if u, err := s.o.Machine.UserID(user); err == nil && len(u.Sharers()) > 0 {
		found = append(found, warning(fmt.Sprintf("groupadd --system %[1]s; usermod -g %[1]s %[1]s", user),
			"The group of user %s has other members, who can read the configuration: %s.", user, strings.Join(u.Sharers(), ", ")))
	}
	if !s.installed && !s.o.Machine.IsRoot() {
		found = append(found, note("Start the server as root later, it gives up all rights but that to its own files; files will then belong to user "+user+".", "This does not run as root, so only part of what other programs listen on may be seen."))
	}
	if len(found) == 0 {
		found = append(found, ok("%s.", user))
	}
	return found
}

// place looks whether the user of the server could put another configuration in place of what is
// made, or is installed.
func (p *Plan) place() *ownership.ChangeableError {
	u, err := p.Options.Machine.UserID(p.Options.User)
	if err != nil || !p.Options.Machine.IsRoot() {
		return nil
	}
	if dir := p.Options.config; dir != "" {
		err = ownership.CheckDir(dir, u)
	} else {
		err = ownership.CheckPlace(p.Dir(), u)
	}
	changeable, _ := errors.AsType[*ownership.ChangeableError](err)
	return changeable
}

// addUser is the command that makes the user of the server.
func (p *Plan) addUser() string {
	switch p.Options.Machine.OS {
	case "freebsd":
		return fmt.Sprintf("pw useradd %s -d %s -s /usr/sbin/nologin", p.Options.User, p.Dir())
	case "openbsd", "netbsd":
		return fmt.Sprintf("useradd -d %s -s /sbin/nologin %s", p.Dir(), p.Options.User)
	}
	return fmt.Sprintf("useradd --system --user-group --home-dir %s --no-create-home --shell /usr/sbin/nologin %s", p.Dir(), p.Options.User)
}

// size is a number of bytes for people.
func size(n uint64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GB", n>>30)
	} else if n >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MB", n>>20)
}
