package main

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"mox/admin"
	"mox/auth"
	"mox/autotls"
	"mox/backup"
	"mox/ban"
	"mox/doctor"
	"mox/imapimport"
	"mox/queue"
	"mox/reportdb"
	"mox/status"
	"mox/trace"
	"mox/transfer"
)

// jsonShape is what a command prints with -json: values of the type of v. Help names their fields.
type jsonShape struct {
	each bool // a line for each thing
	v    any
}

func eachOf(v any) jsonShape { return jsonShape{true, v} }
func oneOf(v any) jsonShape  { return jsonShape{false, v} }

// jsonShapes are those of commands whose help does not say it in words.
func jsonShapes() map[string]jsonShape {
	m := map[string]jsonShape{
		"doctor":                oneOf(doctor.Report{}),
		"send":                  oneOf(sendReport{}),
		"user invite":           oneOf(admin.Invited{}),
		"user list":             eachOf(admin.User{}),
		"user invites":          eachOf(admin.InviteState{}),
		"acl list":              eachOf(admin.SharedMailbox{}),
		"config alias list":     eachOf(admin.Alias{}),
		"config alias print":    oneOf(admin.Alias{}),
		"config tlspubkey list": eachOf(auth.TLSKey{}),
		"config tlspubkey get":  oneOf(auth.TLSKey{}),
		"ban list":              eachOf(ban.Ban{}),
		"ban add":               eachOf(ban.Ban{}),
		"ban remove":            eachOf(ban.Ban{}),
		"ban test":              oneOf(ban.Verdict{}),
		"certificates list":     oneOf([]autotls.CertStatus{}),
		"backup run":            oneOf(backup.Result{}),
		"backup list":           eachOf(backup.Snapshot{}),
		"backup check": oneOf(struct {
			Problems []string
			backup.Checked
		}{}),
		"backup prune": oneOf(backup.Pruned{}),
		"backup drill": oneOf(backup.Proven{}),
		"backup status": oneOf(struct {
			Backup backup.ManagerState
			Drill  backup.DrillState
		}{}),
		"import imap": eachOf(struct {
			Account, Host, User string
			imapimport.Result
			Error string
		}{}),
		"verifydata": eachOf(struct {
			Path, Text string
			Repaired   bool
		}{}),
		"trace":         eachOf(trace.Trace{}),
		"simulate":      eachOf(trace.Trace{}),
		"status":        oneOf(status.Report{}),
		"health":        oneOf(admin.Health{}),
		"undelete":      eachOf(admin.Undeleted{}),
		"undelete list": eachOf(admin.Deleted{}),
	}
	for _, words := range []string{"check", "recalculatemailboxcounts", "fixmsgsize", "fixuidmeta", "bumpuidvalidity", "reassignuids", "ensureparsed", "reparse", "reassignthreads", "reindex"} {
		m[words] = eachOf(admin.Maintained{})
	}
	for _, format := range []string{"maildir", "mbox"} {
		m["import "+format], m["ximport "+format] = oneOf(transfer.Result{}), oneOf(transfer.Result{})
		m["export "+format] = oneOf(struct{ Messages, Problems int }{})
	}
	queueShapes(m)
	reportShapes(m)
	return m
}

func queueShapes(m map[string]jsonShape) {
	for _, words := range []string{"hold", "unhold", "schedule", "transport", "priority", "requiretls", "fail", "drop", "webhook schedule", "webhook cancel"} {
		m["queue "+words] = oneOf(struct{ Affected int }{})
	}
	m["queue list"] = eachOf(queue.MessageJSON{})
	m["queue dump"] = oneOf(struct {
		Message queue.Message
		Content []byte // in base64
	}{})
	m["queue retired list"], m["queue retired print"] = eachOf(queue.RetiredMessage{}), oneOf(queue.RetiredMessage{})
	m["queue holdrules list"], m["queue holdrules add"] = eachOf(queue.HoldRule{}), oneOf(queue.HoldRule{})
	m["queue holdrules remove"] = oneOf(struct{ Removed int64 }{})
	m["queue suppress list"], m["queue suppress add"] = eachOf(queue.Suppression{}), oneOf(queue.Suppression{})
	m["queue suppress remove"] = oneOf(struct{ Account, Removed string }{})
	m["queue suppress lookup"] = oneOf(struct {
		Present     bool
		Suppression *queue.Suppression
	}{})
	m["queue webhook list"], m["queue webhook print"] = eachOf(queue.Hook{}), oneOf(struct {
		queue.Hook
		Payload any
	}{})
	m["queue webhook retired list"], m["queue webhook retired print"] = eachOf(queue.RetiredHook{}), oneOf(struct {
		queue.RetiredHook
		Payload any
	}{})
}

func reportShapes(m map[string]jsonShape) {
	m["dmarc reports"], m["dmarc report"] = eachOf(reportdb.DMARCReport{}), oneOf(reportdb.DMARCReport{})
	m["dmarc sources"], m["dmarc days"] = eachOf(reportdb.DMARCSource{}), eachOf(reportdb.DMARCSummary{})
	m["dmarc evaluations"] = eachOf(reportdb.EvaluationStats{})
	m["tlsrpt reports"], m["tlsrpt report"] = eachOf(reportdb.TLSReport{}), oneOf(reportdb.TLSReport{})
	m["tlsrpt days"], m["tlsrpt results"] = eachOf(reportdb.TLSSummary{}), eachOf(reportdb.TLSDay{})
	for _, kind := range []string{"dmarc", "tlsrpt"} {
		m[kind+" suppress list"], m[kind+" suppress add"] = eachOf(reportdb.Suppression{}), oneOf(reportdb.Suppression{})
		m[kind+" suppress remove"] = oneOf(struct{ Removed string }{})
	}
}

// fullHelp is the help of a command, with what -json prints.
func (c *command) fullHelp() string {
	return strings.TrimSpace(strings.TrimSpace(c.help) + "\n\n" + c.jsonHelp())
}

// jsonHelp is the line of help about -json, "" for a command without, or whose help says it in words.
func (c *command) jsonHelp() string {
	s, ok := jsonShapes()[c.words]
	if !ok {
		return ""
	}
	what := "With -json, an object: "
	t := reflect.TypeOf(s.v)
	switch {
	case s.each:
		what = "With -json, a line of JSON for each: "
	case t.Kind() == reflect.Slice:
		what = "With -json, a list of objects: "
	}
	return wrapText(what + strings.Join(fieldNames(t, 0), ", ") + ".")
}

// maxShapeDepth is how far down fields are named.
const maxShapeDepth = 1

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// fieldNames are the names that a type has in JSON, with those of what is in it in brackets.
func fieldNames(t reflect.Type, depth int) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth > maxShapeDepth || opaque(t) {
		return nil
	}
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			names = append(names, fieldNames(f.Type, depth)...)
			continue
		case name == "":
			name = f.Name
		}
		if inner := fieldNames(f.Type, depth+1); len(inner) > 0 {
			name += " (" + strings.Join(inner, ", ") + ")"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// opaque tells of a type that it is a text or number of its own in JSON.
func opaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) || p.Implements(textMarshaler)
}

// wrapText breaks a text into lines of at most about 100 characters.
func wrapText(s string) string {
	const width = 100
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(s) {
		if i > 0 && n+1+len(word) > width {
			b.WriteByte('\n')
			n = 0
		} else if i > 0 {
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
