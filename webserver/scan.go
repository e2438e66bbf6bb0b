package webserver

import (
	"path"
	"strings"
)

// Paths at which programs have, or had, holes that are looked for everywhere. Nothing of this server
// is there.
var (
	holePrefixes = []string{
		"/.git/", "/.svn/", "/.aws/", "/.ssh/", "/.vscode/", "/wp-admin/", "/wp-content/", "/wp-includes/", "/wordpress/", "/phpmyadmin/", "/pma/",
		"/cgi-bin/", "/vendor/phpunit/", "/boaform/", "/hnap1", "/_ignition/", "/solr/admin/", "/geoserver/", "/manager/html", "/actuator/", "/telescope/",
		"/sdk/weblanguage", "/setup.cgi", "/goform/", "/owa/auth/", "/ecp/", "/jenkins/", "/struts2", "/console/login/",
	}
	holeNames = []string{
		".env", ".htpasswd", "wp-login.php", "xmlrpc.php", "wp-config.php", "phpinfo.php", "eval-stdin.php", "adminer.php", "shell.php", "config.php", "web.config", "id_rsa",
	}
)

// Probe tells whether a path is one at which well-known holes of other programs are looked for.
func Probe(p string) bool {
	p = strings.ToLower(p)
	for _, prefix := range holePrefixes {
		if strings.HasPrefix(p, prefix) {
			return true
		}
	}
	name := path.Base(p)
	for _, n := range holeNames {
		if name == n || n == ".env" && strings.HasPrefix(name, ".env.") {
			return true
		}
	}
	// Ways out of the directory of a site, and into shells.
	return strings.Contains(p, "/../") || strings.Contains(p, "/etc/passwd") || strings.Contains(p, "${jndi:")
}
