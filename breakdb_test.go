package main

import (
	"context"
	"errors"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/db"
)

// breakDB is "breakdb file sql": it changes a database behind the back of everybody.
func breakDB(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: breakdb file sql")
	}
	d, err := db.Open(ts.MkAbs(args[0]), db.Options{})
	ts.Check(err)
	err = d.Write(context.Background(), func(c *db.Conn) error { return c.Script(args[1]) })
	ts.Check(errors.Join(err, d.Close()))
}
