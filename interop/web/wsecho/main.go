// Command wsecho is a WebSocket server that says what it is told, at the address given, for
// the tests of the reverse proxy.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

func main() {
	err := http.ListenAndServe(os.Args[1], http.HandlerFunc(echo))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, append([]byte("echo "), b...)); err != nil {
			return
		}
	}
}
