package webserver

import (
	"io"
	"net/http"
	"strings"
)

// Paths of the health pages, on the port of the metrics.
const (
	LivePath  = "/health/live"
	ReadyPath = "/health/ready"
)

// maxProblem bounds a line of [Ready], in octets.
const maxProblem = 200

// Live answers with 200, which shows that the process does.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		healthAnswer(w, r, http.StatusOK, "live\n")
	})
}

// Ready answers with 200 when problems returns none, else with 503 and a line for each of them.
// problems is called for each request, at the same time for several.
func Ready(problems func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := problems()
		if len(found) == 0 {
			healthAnswer(w, r, http.StatusOK, "ready\n")
			return
		}
		var text strings.Builder
		for _, line := range found {
			text.WriteString(problemLine(line) + "\n")
		}
		healthAnswer(w, r, http.StatusServiceUnavailable, text.String())
	})
}

// problemLine is one line of printable text, for an error may quote what others sent.
func problemLine(problem string) string {
	line := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, problem)
	if len(line) > maxProblem {
		line = strings.ToValidUTF8(line[:maxProblem], "") + "..."
	}
	return line
}

// healthAnswer must not be kept by anyone in between.
func healthAnswer(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text)
}
