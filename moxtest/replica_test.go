package moxtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/backup"
	"mox/config"
	"mox/moxtest"
	"mox/replica"
	"mox/store"
)

// TestReplica restores an account of a server as it was at a moment, by what was replicated, and
// as it is.
func TestReplica(t *testing.T) {
	ctx := context.Background()
	repoDir := filepath.Join(t.TempDir(), "repo")
	s := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithConfig(func(st *config.Static, _ *config.Dynamic) {
		st.Backup = &config.Backup{Repository: repoDir, Replicate: true}
	}))
	to := "mox@" + moxtest.Domain
	send := func(n int) {
		s.Send(t, "a@remote.example", to, fmt.Sprintf("From: a@remote.example\r\nSubject: %d\r\n\r\nText.\r\n", n))
	}
	// restored is what the replica has of the account as of a time.
	restored := func(at time.Time) ([]string, error) {
		repo, err := backup.OpenRepository(ctx, backup.Directory(repoDir), backup.Key{})
		if err != nil {
			return nil, err
		}
		defer repo.Close()
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "accounts/mox"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := replica.Restore(ctx, repo, "accounts/mox/account.db", at, filepath.Join(dir, "accounts/mox/account.db")); err != nil {
			return nil, err
		}
		scratch, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer scratch.Close()
		return contentsOf(t, scratch, "mox"), nil
	}
	// await waits until the replica has what the server has.
	await := func() []string {
		t.Helper()
		want := contentsOf(t, s.Store, "mox")
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			got, err := restored(time.Time{})
			if err == nil && slices.Equal(got, want) {
				return want
			}
			if time.Now().After(deadline) {
				t.Fatalf("not replicated in time: %v, %q, want %q", err, got, want)
			}
		}
	}
	for n := range 10 {
		send(n)
	}
	want := await()
	at := time.Now()
	time.Sleep(3 * time.Second) // the round that has at in it ends, a second after the one before
	for n := range 10 {
		send(10 + n)
	}
	await()
	repo, err := backup.OpenRepository(ctx, backup.Directory(repoDir), backup.Key{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	names, err := replica.Names(ctx, repo)
	if err != nil || strings.Join(names, " ") != "accounts/mox/account.db queue.db" {
		t.Errorf("%q, %v", names, err)
	}
	if got, err := restored(at); err != nil || !slices.Equal(got, want) {
		t.Errorf("as of %v: %v\n%s\nwant:\n%s", at, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
