// Package webmail is the webmail: an application for browsers, which is a JMAP client (package jmapserver) and
// knows nothing else of mail. Package mailapi has its sessions, and shows HTML messages.
//
// Its sources are in frontend/src/webmail; "make frontend" builds them into dist, which is part of the repository, so that
// a Go build has all it needs. docs/webmail.md tells users of it.
package webmail

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"

	"mox/page"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the webmail below the path where it is mounted, which must be stripped: with JMAP at api/jmap/, messages
// for frames at api/html, and functions at api/.
func Handler(functions, jmap, html http.Handler) (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	jmap = http.StripPrefix("/jmap", jmap)
	app, err := page.NewApp(files, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/jmap/"):
			jmap.ServeHTTP(w, r)
		case r.URL.Path == "/html":
			html.ServeHTTP(w, r)
		default:
			functions.ServeHTTP(w, r)
		}
	}))
	if err != nil {
		return nil, err
	}
	app.SetCSP(page.MailCSP)
	return app, nil
}
