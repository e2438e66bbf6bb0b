package store

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"mox/db"
	"mox/message"
)

// Bounds of what is read in one transaction before it is yielded.
const (
	renderBatch = 256
	renderBytes = 1 << 20
)

// renderedColumns are the columns that each field needs, in the order of Rendered.
var renderedColumns = []struct {
	field   Fields
	columns []string
	utf8    []string // in place of columns, for UTF8=ACCEPT
	set     func(*Rendered, [][]byte)
}{
	{FieldEnvelope, []string{"e.envelope"}, []string{"coalesce(e.envelope_utf8, e.envelope)"}, func(r *Rendered, v [][]byte) { r.Envelope = v[0] }},
	{FieldBodyStructure, []string{"e.structure"}, []string{"coalesce(e.structure_utf8, e.structure)"}, func(r *Rendered, v [][]byte) { r.BodyStructure = v[0] }},
	{FieldPreview, []string{"e.preview"}, nil, func(r *Rendered, v [][]byte) { r.Preview = v[0] }},
	{FieldHeaders, []string{"e.headers", "e.headers IS NOT NULL"}, nil, func(r *Rendered, v [][]byte) {
		r.Headers = v[0]
		r.HasHeaders = string(v[1]) == "1"
	}},
	{FieldParts, []string{"e.parts"}, nil, func(r *Rendered, v [][]byte) { r.Parts = v[0] }},
	{FieldBody, []string{"e.plain", "e.parts"}, []string{"coalesce(e.plain_utf8, e.plain)", "e.parts"}, func(r *Rendered, v [][]byte) { r.BodyPlain, r.plainParts = v[0], v[1] }},
	{FieldTrace, []string{"e.trace"}, nil, func(r *Rendered, v [][]byte) { r.Trace = v[0] }},
	{FieldThread, []string{"b.thread"}, nil, func(r *Rendered, v [][]byte) {}},
}
