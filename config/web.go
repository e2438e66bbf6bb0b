package config

// WebHandler is an entry of Dynamic.WebHandlers. Exactly one of the fields WebStatic,
// WebRedirect, WebForward and WebInternal is set.
type WebHandler struct {
	LogName               string       `sconf:"optional" sconf-doc:"Name in logs and metrics. Default: number in the list."`
	Domain                string       `sconf-doc:"Domain of the request."`
	PathRegexp            string       `sconf-doc:"Regular expression for the path of the request, starting with ^. Example: ^/static/"`
	DontRedirectPlainHTTP bool         `sconf:"optional" sconf-doc:"Serve requests without TLS too. By default they are redirected to HTTPS."`
	Compress              bool         `sconf:"optional" sconf-doc:"Compress responses with gzip where that makes sense. Not for pages that show secrets next to what others can choose."`
	WebStatic             *WebStatic   `sconf:"optional" sconf-doc:"Serve files."`
	WebRedirect           *WebRedirect `sconf:"optional" sconf-doc:"Redirect to another URL."`
	WebForward            *WebForward  `sconf:"optional" sconf-doc:"Forward to another web server (reverse proxy). WebSockets work too."`
	WebInternal           *WebInternal `sconf:"optional" sconf-doc:"Serve one of mox's own web applications."`
}

// WebStatic is WebHandler.WebStatic.
type WebStatic struct {
	StripPrefix      string            `sconf:"optional" sconf-doc:"Remove this from the start of the path before looking for the file."`
	Root             string            `sconf-doc:"Directory of the files, relative to the directory mox was started in."`
	ListFiles        bool              `sconf:"optional" sconf-doc:"Show a list of files for directories without index.html. Otherwise: 403."`
	ContinueNotFound bool              `sconf:"optional" sconf-doc:"Try the next handlers if there is no such file; then only GET and HEAD requests come here."`
	ResponseHeaders  map[string]string `sconf:"optional" sconf-doc:"Header fields to add to responses."`
}

// WebRedirect is WebHandler.WebRedirect.
type WebRedirect struct {
	BaseURL        string `sconf:"optional" sconf-doc:"URL without path to redirect to. The scheme may be left out (//host) to keep that of the request; its query is put before that of the request. Default: the same site."`
	OrigPathRegexp string `sconf:"optional" sconf-doc:"Regular expression for replacing the path, together with ReplacePath. Only requests with a matching path are redirected."`
	ReplacePath    string `sconf:"optional" sconf-doc:"New path; $1 stands for the first group of OrigPathRegexp, and so on."`
	StatusCode     int    `sconf:"optional" sconf-doc:"HTTP status, 300-399. Default: 308, permanent redirect."`
}

// WebForward is WebHandler.WebForward.
type WebForward struct {
	StripPath       bool              `sconf:"optional" sconf-doc:"Remove from the path what PathRegexp matched."`
	URL             string            `sconf-doc:"URL of the other server, http or https; the path of the request is appended. Requests get headers X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Proto. Example: http://127.0.0.1:8888"`
	ResponseHeaders map[string]string `sconf:"optional" sconf-doc:"Header fields to add to responses."`
}

// WebInternal is WebHandler.WebInternal.
type WebInternal struct {
	BasePath string `sconf-doc:"Path at which the application is served, ending with a slash."`
	Service  string `sconf-doc:"admin, account, webmail or webapi."`
}
