package db

import (
	"context"
	"fmt"
	"os"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Backup writes a copy of the database as it is now to a new file at path, while
// others read and write. The copy is complete and on disk when Backup returns nil; on
// an error nothing is left at path.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("backing up to %s: %w", path, os.ErrExist)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
			err = fmt.Errorf("backing up to %s: %w", path, err)
		}
	}()
	dst, err := openConn(path, "", openFlags|sqlite3.SQLITE_OPEN_CREATE)
	if err != nil {
		return err
	}
	defer dst.close()
	// A connection of its own: the copy takes long, and must not hold up the gate.
	src, err := d.connect(openFlags)
	if err != nil {
		return err
	}
	defer src.close()
	return src.copyTo(ctx, dst)
}

// copyTo copies one snapshot of the database, page by page.
func (c *Conn) copyTo(ctx context.Context, dst *Conn) error {
	// A read transaction keeps the snapshot through all steps, so that commits do not
	// make the copy start over.
	if err := c.Script("BEGIN; SELECT count(*) FROM sqlite_schema"); err != nil {
		return err
	}
	main, err := libc.CString("main")
	if err != nil {
		return err
	}
	defer libc.Xfree(dst.tls, main)
	b := sqlite3.Xsqlite3_backup_init(dst.tls, dst.db, main, c.db, main)
	if b == 0 {
		return dst.error(sqlite3.Xsqlite3_extended_errcode(dst.tls, dst.db))
	}
	rc := int32(sqlite3.SQLITE_OK)
	for rc == sqlite3.SQLITE_OK && ctx.Err() == nil {
		rc = sqlite3.Xsqlite3_backup_step(dst.tls, b, 1024)
	}
	end := sqlite3.Xsqlite3_backup_finish(dst.tls, b)
	if err := ctx.Err(); err != nil {
		return err
	}
	if rc != sqlite3.SQLITE_DONE {
		return dst.error(rc)
	}
	return dst.error(end)
}
