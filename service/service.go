package service

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"
)

// Options say where a service is. The zero value is not valid: Dir is needed.
type Options struct {
	Dir  string // absolute; has the directories config and data, and the binary mox
	User string // who serves, as in mox.conf; "" is mox

	// Program is the binary, absolute, where that is not in Dir; "" is mox in Dir.
	Program string
	// Config and Data are the directories that the service writes, absolute; "" is config and
	// data below Dir.
	Config, Data string
	// Write are further directories that it writes, such as that of backups.
	Write []string
	// Sockets are the TCP addresses that systemd is to bind, "ip:port". Empty: the usual ports
	// of mail and the web on all addresses.
	Sockets []string
	// Packets are the same for UDP (HTTP/3); usually none.
	Packets []string
}

// Kinds are the values of "mox config printservice -kind", the default first.
var kinds = []string{"systemd", "systemd-socket", "openrc", "freebsd", "launchd", "nixos"}

// Kinds lists what [Print] can make, the default first.
func Kinds() []string { return slices.Clone(kinds) }

// File is one file for a service manager.
type File struct {
	Path       string // where it belongs
	Content    string
	Executable bool
}

// Unit is the systemd unit of a mox in dir that begins as root and serves as user ("" is mox). It
// is empty if dir cannot be written in a unit: see [Print], which says why.
func Unit(dir, user string) string {
	files, err := Print("systemd", Options{Dir: dir, User: user})
	if err != nil {
		return ""
	}
	return files[0].Content
}

// Print makes the files of a kind.
func Print(kind string, o Options) ([]File, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	switch kind {
	case "systemd":
		return o.files(File{Path: "/etc/systemd/system/mox.service"}, "mox.service")
	case "systemd-socket":
		return o.files(File{Path: "/etc/systemd/system/mox.socket"}, "mox.socket",
			File{Path: "/etc/systemd/system/mox.service"}, "unprivileged.service")
	case "openrc", "freebsd":
		if err := o.plain(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "openrc":
		return o.files(File{Path: "/etc/init.d/mox", Executable: true}, "openrc")
	case "freebsd":
		return o.files(File{Path: "/usr/local/etc/rc.d/mox", Executable: true}, "freebsd")
	case "launchd":
		return o.files(File{Path: "/Library/LaunchDaemons/mox.plist"}, "mox.plist")
	case "nixos":
		f, err := o.nixModule()
		return []File{f}, err
	}
	return nil, fmt.Errorf("kind %q: must be one of %s", kind, strings.Join(kinds, ", "))
}

// usualPorts are those of SMTP, HTTP, IMAP, HTTPS, submissions, submission and IMAPS.
var usualPorts = []string{"25", "80", "143", "443", "465", "587", "993"}

func (o *Options) complete() error {
	if o.User == "" {
		o.User = "mox"
	}
	if o.Program == "" {
		o.Program = path.Join(o.Dir, "mox")
	}
	if o.Config == "" {
		o.Config = path.Join(o.Dir, "config")
	}
	if o.Data == "" {
		o.Data = path.Join(o.Dir, "data")
	}
	for what, dir := range map[string]string{"directory": o.Dir, "program": o.Program, "configuration directory": o.Config, "data directory": o.Data} {
		if !path.IsAbs(dir) || dir == "/" {
			return fmt.Errorf("%s %q: must be an absolute path", what, dir)
		}
	}
	for _, s := range slices.Concat([]string{o.Dir, o.Program, o.Config, o.Data, o.User}, o.Sockets, o.Packets) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%q: control characters cannot be written in a service file", s)
		}
	}
	if strings.ContainsAny(o.User, " \t\"'\\:%$") {
		return errors.New("name of user has a character that cannot be in one")
	}
	o.Dir, o.Config, o.Data = path.Clean(o.Dir), path.Clean(o.Config), path.Clean(o.Data)
	if len(o.Sockets) == 0 {
		for _, port := range usualPorts {
			o.Sockets = append(o.Sockets, "0.0.0.0:"+port, "[::]:"+port)
		}
	}
	return nil
}

// plain refuses directories that a script cannot have without quoting where its interpreter has no
// place for quotes.
func (o Options) plain() error {
	for _, dir := range []string{o.Dir, o.Program, o.Config, o.Data} {
		if i := strings.IndexFunc(dir, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@=,", r))
		}); i >= 0 {
			return fmt.Errorf("directory %q: a service script cannot have %q in it", dir, dir[i:i+1])
		}
	}
	return nil
}

//go:embed templates
var templates embed.FS

// files executes templates: each file is followed by the name of its own.
func (o Options) files(filesAndNames ...any) ([]File, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"line": unitLine, "unit": unitQuote, "exec": execQuote, "xml": xmlEscape,
	}).ParseFS(templates, "templates/*")
	if err != nil {
		return nil, err
	}
	var files []File
	for pair := range slices.Chunk(filesAndNames, 2) {
		f, _ := pair[0].(File)
		name, _ := pair[1].(string)
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, name, o); err != nil {
			return nil, fmt.Errorf("writing %s: %w", f.Path, err)
		}
		f.Content = b.String()
		files = append(files, f)
	}
	return files, nil
}

// Home tells whether any of the directories is where ProtectHome= would hide it.
func (o Options) Home() bool {
	for _, dir := range append([]string{o.Dir, o.Program, o.Config, o.Data}, o.Write...) {
		for _, home := range []string{"/home", "/root", "/run/user"} {
			if dir == home || strings.HasPrefix(dir, home+"/") {
				return true
			}
		}
	}
	return false
}

// unitLine writes a value that is all of a line of a systemd unit: "%" begins a specifier
// (systemd.unit(5)).
func unitLine(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// unitQuote writes one of the words of a line: white space ends it unless quoted
// (systemd.syntax(7)).
func unitQuote(s string) string {
	s = unitLine(s)
	if !strings.ContainsAny(s, " \"'\\;#") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// execQuote is unitQuote for the path of a file in a command line, in which "$" begins a variable
// too (systemd.service(5)).
func execQuote(elem ...string) string {
	return strings.ReplaceAll(unitQuote(path.Join(elem...)), "$", "$$")
}

func xmlEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
