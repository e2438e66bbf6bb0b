package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mox/otlp"
)

// TestStopTracing: a collector that does not answer does not hold up the next program.
func TestStopTracing(t *testing.T) {
	answer, asked := make(chan struct{}), make(chan struct{}, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	t.Cleanup(collector.Close)
	_, ca := updateFeed(t)
	s := updatesServer(t, fmt.Sprintf("Tracing:\n\tEndpoint: %s\n", collector.URL), ca, Options{Log: slog.New(slog.DiscardHandler)})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	ours, parent := net.Pipe()
	defer parent.Close()
	s.parent = &link{conn: ours}
	s.drain.Store(&linkMessage{})
	s.spans.Done(otlp.Span{Name: "HTTP GET x", Kind: otlp.Server, Start: time.Now(), End: time.Now()}, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	parent.SetReadDeadline(time.Now().Add(Drain))
	line, err := bufio.NewReader(parent).ReadBytes('\n')
	var m linkMessage
	if err != nil || json.Unmarshal(line, &m) != nil || m.Kind != linkDrained {
		t.Errorf("%q %v", line, err)
	}
	<-asked // it is still sent what is left
	select {
	case err := <-stopped:
		t.Errorf("the end does not wait for the collector: %v", err)
	default:
	}
	close(answer)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
