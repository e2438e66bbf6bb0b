// Package webhandler serves the web sites that domains.conf describes (WebHandlers,
// WebDomainRedirects): files, redirects, other web servers (reverse proxy, with WebSocket, RFC
// 6455) and mox's own applications. HTTP semantics are of RFC 9110, caching of RFC 9111.
//
// [Sites] finds the handler of a request: first redirects of whole domains, then handlers in
// configured order. A change of the configuration is prepared, and takes the place of the old
// one with the next request.
//
// Requests whose path has a segment "." or "..", however it is encoded, are refused: what a
// regular expression has matched would be another path to the server behind it.
//
// Files are opened below their root by [os.Root], so neither a path nor a symbolic link leads
// out of it. The root is opened anew for each request, as directories are replaced when sites
// are published.
//
// Files on disk: DataDir/tmp/httpstaticcompresscache, one file for each compressed file,
// base64url(path)+hex(modification time).gz, the longest unused removed first. It can be removed at any time.
//
// Goroutines: those of requests; a WebSocket has one more. Lock order: none is held while
// another is taken.
//
// Files: sites.go which handler; static.go, listing.go files; encoding.go, compress.go,
// compresscache.go compression; redirect.go; forward.go, websocket.go reverse proxy.
package webhandler
