package sftp

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// Place is a directory of an account on another machine.
type Place struct {
	User string
	Host string // name or IP address
	Port int
	// Path is absolute, or relative to the directory that one is in after the login.
	Path string
}

// ParseURL reads sftp://user@host[:port]/path. The path is absolute; "/~/" at its begin is the
// directory that one is in after the login. Without port: 22.
func ParseURL(s string) (Place, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Place{}, err
	}
	form := errors.New("must be sftp://user@host/directory or sftp://user@host:port/directory")
	p := Place{Host: u.Hostname(), Port: 22, User: u.User.Username()}
	if u.Scheme != "sftp" || p.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return p, form
	}
	if _, ok := u.User.Password(); ok {
		return p, errors.New("must have no password: an SSH key is used")
	}
	if p.User == "" {
		return p, fmt.Errorf("has no user: %w", form)
	}
	if port := u.Port(); port != "" {
		if p.Port, err = strconv.Atoi(port); err != nil || p.Port < 1 || p.Port > 65535 {
			return p, fmt.Errorf("has a bad port %q", port)
		}
	}
	if strings.ContainsFunc(p.User+p.Host+u.Path, unicode.IsControl) {
		return p, errors.New("has control characters")
	}
	p.Path = path.Clean(u.Path)
	if rest, ok := strings.CutPrefix(p.Path, "/~/"); ok {
		p.Path = rest
	}
	if p.Path == "/" || p.Path == "." || p.Path == "/~" {
		return p, fmt.Errorf("has no directory: %w", form)
	}
	return p, nil
}

// Address is host and port.
func (p Place) Address() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// String is the URL.
func (p Place) String() string {
	u := url.URL{Scheme: "sftp", User: url.User(p.User), Host: p.Address(), Path: p.Path}
	if !strings.HasPrefix(p.Path, "/") {
		u.Path = "/~/" + p.Path
	}
	if p.Port == 22 {
		u.Host = strings.TrimSuffix(u.Host, ":22")
	}
	return u.String()
}
