package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mox/config"
	"mox/mlog"
	"mox/serve"
	"mox/store"
)

// interruptible returns a context that ends with SIGINT and SIGTERM, for commands that have
// something to bring to its end.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// withStore opens a data directory that no server uses. snap gives quotas; nil: there are
// none.
func (p *program) withStore(dataDir string, snap *config.Snapshot, fn func(*store.Store) error) error {
	// What is made here must be readable for the server.
	if err := checkOwner(dataDir); err != nil {
		return err
	}
	s, err := store.Open(dataDir, store.Options{
		Log: mlog.New("store", slog.New(mlog.NewHandler(p.stderr, mlog.Options{Levels: mlog.NewLevels(mlog.LevelError, nil)}))),
		LimitsOf: func(account string) store.Limits {
			if snap == nil {
				return store.Limits{}
			}
			return serve.LimitsOf(snap.Accounts[account])
		},
	})
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

// withAccount opens an account that no server uses.
func (p *program) withAccount(ctx context.Context, dataDir, account string, snap *config.Snapshot, fn func(*store.Account) error) error {
	if _, err := os.Stat(filepath.Join(dataDir, "accounts", account, "account.db")); err != nil {
		return fmt.Errorf("account %q: %w", account, err)
	}
	return p.withStore(dataDir, snap, func(s *store.Store) error {
		acc, err := s.Account(ctx, account)
		if err != nil {
			return err
		}
		defer acc.Release()
		return fn(acc)
	})
}

// errorLog is a log of errors on standard error, for what runs within a command.
func (p *program) errorLog(pkg string) *slog.Logger {
	return mlog.New(pkg, slog.New(mlog.NewHandler(p.stderr, mlog.Options{Levels: mlog.NewLevels(mlog.LevelError, nil)})))
}
