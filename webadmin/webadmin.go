// Package webadmin is the admin pages: an application for browsers, which knows nothing but package adminapi.
//
// Its sources are in frontend/src; "make frontend" builds them into dist, which is part of the repository, so that
// a Go build has all it needs. docs/web.md tells users and administrators of it.
package webadmin

import (
	"embed"
	"io/fs"
	"net/http"

	"mox/page"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the pages, with the API at api/, below the path where it is mounted, which must be stripped.
func Handler(api http.Handler) (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return page.NewApp(files, api)
}
