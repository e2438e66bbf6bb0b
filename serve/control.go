package serve

import (
	"errors"
	"net"

	"mox/config"
	"mox/ctl"
)

// listenControl opens the control socket. Localserve does without it where the system has no such sockets, as
// Windows before 10 has not.
func (s *Server) listenControl(snap *config.Snapshot) (net.Listener, error) {
	l, err := ctl.Listen(snap.DataPath("ctl"))
	if err != nil && s.Local && errors.Is(err, errNoUnixSockets) {
		s.Log.Warn("no control socket: commands cannot reach this server, stop it with control-C", "err", err)
		return closedListener{}, nil
	}
	return l, err
}
