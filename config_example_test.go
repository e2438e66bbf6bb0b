package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
)

// TestConfigExamples puts each example into a configuration, which then has to be valid.
func TestConfigExamples(t *testing.T) {
	const static = "DataDir: ../data\nLogLevel: info\nHostname: mail.example.org\nListeners:\n\tlocal:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tSMTP:\n\t\t\tEnabled: true\n\t\t\tNoSTARTTLS: true\n\t\tWebserverHTTP:\n\t\t\tEnabled: true\nPostmaster:\n\tAccount: you\n\tMailbox: Postmaster\n"
	const domains = "Domains:\n\texample.org: nil\n"
	const accounts = "Accounts:\n\tyou:\n\t\tDomain: example.org\n\t\tDestinations:\n\t\t\tyou@example.org: nil\n"
	all, err := listConfigExamples()
	if err != nil {
		t.Fatal(err)
	}
	var transports string
	for _, ex := range all {
		if ex.Name == "transport" {
			transports = ex.Text
		}
	}
	for _, ex := range all {
		mox, dynamic := static, domains
		if ex.File == "mox.conf" {
			mox += ex.Text
		} else {
			mox, dynamic = mox+transports, dynamic+ex.Text
		}
		if !strings.Contains(ex.Text, "\nAccounts:\n") {
			dynamic += accounts
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"mox.conf": mox, "domains.conf": dynamic, "backup.key": "of mox backup key"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := config.LoadOptions(filepath.Join(dir, "mox.conf"), config.Options{}); err != nil {
			t.Errorf("%s: %v\n%s\n%s", ex.Name, err, mox, dynamic)
		}
	}
}
