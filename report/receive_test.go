package report

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dmarcrpt"
	"mox/tlsrpt"
)

// TestBusy: no more than some reports are read at a time, whatever they need.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReceiver(ReceiverConfig{})
		for range maxParsing {
			go r.parsing(t.Context(), func() error { time.Sleep(30 * time.Second); return nil })
		}
		synctest.Wait()
		begin := time.Now()
		if err := r.parsing(t.Context(), func() error { return nil }); !errors.Is(err, errBusy) || time.Since(begin) != parseWait {
			t.Error(err, time.Since(begin))
		}
		ran := false
		if err := r.parsing(t.Context(), func() error { ran = true; return nil }); err != nil || !ran {
			t.Error(err, ran)
		}
	})
}

func TestFields(t *testing.T) {
	for _, tc := range []struct {
		r    Received
		want string
	}{
		{Received{}, ""},
		{Received{dmarcErr: errDMARC}, "X-Mox-DMARCReport-Error: sender is not verified by DMARC\r\n"},
		{Received{dmarcErr: dmarcrpt.ErrNone, tlsError: tlsrpt.ErrNone}, "X-Mox-DMARCReport-Error: message has no DMARC report\r\nX-Mox-TLSReport-Error: message has no TLS report\r\n"},
		{Received{tlsError: errors.New("a\r\nb: \x80" + strings.Repeat("x", 1000))}, "X-Mox-TLSReport-Error: a??b: ?" + strings.Repeat("x", 493) + "\r\n"},
	} {
		if got := string(tc.r.Fields()); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	if IsAddress(nil) {
		t.Error("nil is an address")
	}
}
