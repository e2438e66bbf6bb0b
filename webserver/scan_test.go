package webserver

import "testing"

func TestProbe(t *testing.T) {
	for path, want := range map[string]bool{
		"/wp-login.php": true, "/blog/wp-login.php": true, "/.env": true, "/api/.env.production": true, "/.git/config": true, "/cgi-bin/luci": true, "/WP-Admin/": true,
		"/a/../../etc/passwd": true, "/HNAP1/": true, "/${jndi:ldap://x}": true,
		"/": false, "/favicon.ico": false, "/robots.txt": false, "/environment": false, "/webapi/v0/": false, "/.well-known/mta-sts.txt": false, "/.well-known/acme-challenge/x": false,
		"/mail/config-v1.1.xml": false, "/autodiscover/autodiscover.xml": false, "/admin/": false, "": false,
	} {
		if Probe(path) != want {
			t.Errorf("%s: not %v", path, want)
		}
	}
}
