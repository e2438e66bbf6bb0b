// Package webaccount is the account pages: an application for browsers, which knows nothing but package accountapi.
//
// Its sources are in frontend/src; "make frontend" builds them into dist, which is part of the repository, so that
// a Go build has all it needs. docs/web.md tells users and administrators of it.
package webaccount

import (
	"embed"
	"io/fs"
	"net/http"

	"mox/page"
)

//go:embed all:dist
var dist embed.FS

// API is what the pages know: that of package accountapi.
type API interface {
	http.Handler
	Import(w http.ResponseWriter, r *http.Request)
	ImportProgress(w http.ResponseWriter, r *http.Request)
	Export(w http.ResponseWriter, r *http.Request)
}

// Handler serves the pages, with the API at api/, and at import, importprogress and export beside it, below the path where it is
// mounted, which must be stripped.
func Handler(api API) (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	app, err := page.NewApp(files, api)
	if err != nil {
		return nil, err
	}
	app.Handle("/import", api.Import)
	app.Handle("/importprogress", api.ImportProgress)
	app.Handle("/export", api.Export)
	return app, nil
}
