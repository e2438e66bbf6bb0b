package webserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"mox/mlog"
)

// TestStalledStream: a client of HTTP/2 that does not take an answer loses the stream, and
// keeps the connection, which answers others.
func TestStalledStream(t *testing.T) {
	conf := testTLS()
	synctest.Test(t, func(t *testing.T) {
		s, l := New(mlog.Discard()), newPipes()
		s.Start(l, conf, NewRouter(Router{Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				// Longer than a client may take nothing, without anything to take.
				time.Sleep(5 * stall)
				_, _ = io.WriteString(w, "long") // the client sees
				return
			}
			_, _ = w.Write(make([]byte, 1<<20)) // it fails
		})}))
		conn := tls.Client(l.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		f := http2.NewFramer(conn, conn)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		request := func(stream uint32, path string) {
			var block bytes.Buffer
			enc := hpack.NewEncoder(&block)
			for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}} {
				if err := enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
		}
		request(1, "/stall")
		request(3, "/long")
		start := time.Now()
		reset, answered := time.Duration(0), ""
		for answered == "" {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					err = f.WriteSettingsAck()
				}
			case *http2.PingFrame:
				err = f.WritePing(true, frame.Data)
			case *http2.RSTStreamFrame:
				if frame.StreamID != 1 {
					t.Errorf("stream %d was reset", frame.StreamID)
				}
				reset = time.Since(start)
				// What was sent for it counts for the connection.
				err = f.WriteWindowUpdate(0, 1<<20)
			case *http2.DataFrame:
				if frame.StreamID == 3 {
					answered = string(frame.Data())
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if reset < stall || reset > 2*stall || answered != "long" || time.Since(start) != 5*stall {
			t.Errorf("reset after %s, %q after %s", reset, answered, time.Since(start))
		}
		conn.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
