package imapserver

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// ownAccount has the functions that may use session.account, the user's own. A mailbox of a
// client's name, and the selected one, may be in another account: what is done to them has
// to go by place.account and selected.account.
var ownAccount = map[string]bool{
	"identifiers": true, "find": true, "target": true, "creator": true, "lookup": true, "closeAccount": true, "authenticated": true,
	"announcesACL": true, "addOwn": true, "addShared": true, "finish": true, "subscribe": true, "cmdID": true, "rootAccount": true,
	// A mailbox of one's own need not exist for GETQUOTAROOT; metadata without a mailbox is the
	// account's, and its limits are those of the server.
	"cmdGetQuotaRoot": true, "metadataPlace": true, "metadataError": true,
	// Filters are the user's own, whosever mailbox is searched.
	"value": true,
	// Access keys are in the user's own table, and URLs are of their own mailboxes only.
	"authorizeURL": true, "cmdResetKey": true, "reportKeyReset": true,
	// The change log of the user's own account, for NOTIFY and METADATA.
	"follow": true, "advance": true, "tellOwnNews": true, "tellChanges": true, "metadata": true, "tellName": true, "events": true, "cmdNotify": true, "sendNotifyStatus": true,
	// Of mailboxes of others, NOTIFY asks the user's account for subscriptions, which are their
	// own, and where its log stands when all is given up.
	"eventsAbroad": true, "owners": true, "leaveOther": true, "tellNames": true, "tellOthers": true, "tellOther": true,
}

// TestOwnAccount finds uses of the user's own account elsewhere.
func TestOwnAccount(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			name := "a declaration"
			if ok {
				name = fn.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "account" || !isSession(sel.X) {
					return true
				}
				found[name] = true
				if !ownAccount[name] {
					t.Errorf("%s: %s uses the user's own account: is the mailbox in it?", fset.Position(sel.Pos()), name)
				}
				return true
			})
		}
	}
	for name := range ownAccount {
		if !found[name] {
			t.Errorf("%s does not use the user's own account", name)
		}
	}
}

// isSession tells by its name whether an expression is a session: s, or x.s.
func isSession(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "s" || x.Name == "sess"
	case *ast.SelectorExpr:
		return x.Sel.Name == "s"
	}
	return false
}
