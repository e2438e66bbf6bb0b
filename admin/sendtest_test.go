package admin

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/mlog"
	"mox/mlog/mlogtest"
	"mox/smtp"
	"mox/storetest"
	"mox/submit"
)

// signer signs and sends nothing.
type signer struct{ Submitter }

func (signer) Sign(context.Context, *config.Snapshot, []smtp.Address, bool, io.ReaderAt) (string, error) {
	return "DKIM-Signature: x\r\n", nil
}

func (signer) Send(context.Context, submit.Sender, submit.Request) (submit.Sent, error) {
	return submit.Sent{MessageID: "a@mx.example"}, nil
}

// TestSendTestAudit: what is only made is not said to be sent, and what is not in the queue has no id there.
func TestSendTestAudit(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"mox.conf": storetest.Static, "domains.conf": "Domains:\n\tmx.example: nil\nAccounts:\n\tmjl:\n\t\tDomain: mx.example\n\t\tDestinations:\n\t\t\tmjl@mx.example: nil\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manager, err := config.Open(filepath.Join(dir, "mox.conf"), mlog.Discard(), config.Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	var log mlogtest.Buffer
	a := &Admin{Config: manager, Submit: signer{}, Now: time.Now, Log: slog.New(mlog.NewHandler(&log, mlog.Options{}))}
	sent, err := a.SendTest(t.Context(), "test", TestMail{MakeOnly: true})
	if err != nil || !strings.HasPrefix(string(sent.Message), "DKIM-Signature: x\r\nFrom: <mjl@mx.example>") {
		t.Errorf("%+v, %v", sent, err)
	}
	if got := log.Take(); !strings.Contains(got, `action="make test message" account=mjl`) || strings.Contains(got, "queueid") {
		t.Error(got)
	}
	if sent, err = a.SendTest(t.Context(), "test", TestMail{}); err != nil || !sent.Local {
		t.Errorf("%+v, %v", sent, err)
	}
	if got := log.Take(); !strings.Contains(got, `action="send test message" account=mjl`) || strings.Contains(got, "queueid") {
		t.Error(got)
	}
}
