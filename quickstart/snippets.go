package quickstart

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"mox/sconf"
)

//go:embed snippets
var snippetFiles embed.FS

// Snippet is configuration for another web server that is in front of mox.
type Snippet struct {
	Server string // "nginx", ...
	Text   string
	// Listener, if not empty, is what takes the place of IPs of the listener public in mox.conf
	// when mail comes through it.
	Listener string
}

// webServers are those that there are snippets for, by the names of their processes.
var webServers = []struct {
	name, file string
	processes  []string
}{
	{"nginx", "nginx.conf", []string{"nginx"}},
	{"Caddy", "Caddyfile", []string{"caddy"}},
	{"Apache", "apache.conf", []string{"apache2", "httpd"}},
	{"Traefik", "traefik.yml", []string{"traefik"}},
	{"HAProxy", "haproxy.cfg", []string{"haproxy"}},
}

// mailPort is one that HAProxy passes on.
type mailPort struct {
	Name string
	Port int
}

var proxiedPorts = []mailPort{{"smtp", 25}, {"submissions", 465}, {"imaps", 993}}

// Snippets returns what other web servers need to pass on what is for mox: for the one that
// runs here already, or else for all that are known. None but with ExistingWebserver.
func (p *Plan) Snippets() ([]Snippet, error) {
	if !p.Options.ExistingWebserver {
		return nil, nil
	}
	running := p.runningServer()
	var all []Snippet
	for _, s := range webServers {
		if running != "" && s.name != running {
			continue
		}
		text, err := p.snippet(s.file)
		if err != nil {
			return nil, err
		}
		one := Snippet{Server: s.name, Text: text}
		if s.name == "HAProxy" {
			if one.Listener, err = p.proxyListener(); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// runningServer is the name of the web server that has port 80 or 443 now, if it is known.
func (p *Plan) runningServer() string {
	sockets, err := p.Options.Machine.Listening()
	if err != nil {
		return ""
	}
	for _, sock := range sockets {
		if port := sock.Addr.Port(); port != 80 && port != 443 {
			continue
		}
		for _, s := range webServers {
			if slices.Contains(s.processes, sock.Process) {
				return s.name
			}
		}
	}
	return ""
}

func (p *Plan) snippet(file string) (string, error) {
	t, err := template.New(file).Funcs(template.FuncMap{"join": strings.Join}).ParseFS(snippetFiles, "snippets/"+file)
	if err != nil {
		return "", err
	}
	d := p.Address.Domain.ASCII
	web := []string{"mail." + d}
	if p.Hostname.ASCII != web[0] {
		web = append(web, p.Hostname.ASCII)
	}
	certDir := "/etc/letsencrypt/live/" + p.Hostname.ASCII
	if file == "haproxy.cfg" {
		certDir = "/etc/haproxy/certs"
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		MTASTS, Autoconfig, CertDir string
		Web, Addrs                  []string
		MailPorts                   []mailPort
	}{"mta-sts." + d, "autoconfig." + d, certDir, web, p.proxyAddrs(), proxiedPorts})
	return b.String(), err
}

// proxyAddrs are those that HAProxy listens on for mail. Not all of the machine: mox has
// the same ports of 127.0.0.1.
func (p *Plan) proxyAddrs() []string {
	var l []string
	for _, ip := range p.IPs {
		switch {
		case ip.IsUnspecified():
			return []string{"ADDRESS-OF-THIS-MACHINE"}
		case ip.Is6():
			l = append(l, "["+ip.String()+"]")
		default:
			l = append(l, ip.String())
		}
	}
	return l
}

// proxyListener is what changes in the listener public for mail that comes through HAProxy,
// indented as it is there.
func (p *Plan) proxyListener() (string, error) {
	var b bytes.Buffer
	err := sconf.Write(&b, struct {
		IPs           []string
		NATIPs        []string `sconf:"optional"`
		ProxyProtocol []string
	}{[]string{"127.0.0.1"}, texts(p.WorldIPs()), []string{"127.0.0.1"}})
	if err != nil {
		return "", fmt.Errorf("making listener: %w", err)
	}
	var text strings.Builder
	for line := range strings.Lines(b.String()) {
		text.WriteString("\t\t" + line)
	}
	return text.String(), nil
}
