package jmapserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mox/jmap"
	"mox/message"
)

// TestEmailModel makes random Email/set calls, and compares what there is with a simple model.
func TestEmailModel(t *testing.T) {
	w := newWriter(t)
	names := []string{"Inbox", "Archive", "Drafts"}
	keywords := []string{"$seen", "$flagged", "work", "$junk"}
	type mail struct{ boxes, keywords map[string]bool }
	model := map[string]*mail{}
	r := rand.New(rand.NewPCG(3, 4))
	id := func(box string) string { return string(mailboxID(w.box(box).ID)) }
	some := func(from []string, f func(string) string) map[string]bool {
		m := map[string]bool{}
		for _, s := range from {
			if r.IntN(2) == 0 {
				m[f(s)] = true
			}
		}
		return m
	}
	same1 := func(s string) string { return s }
	for n := range 60 {
		create, update, destroy := map[string]any{}, map[string]map[string]any{}, []string{}
		want := map[string]*mail{} // after updates
		for k, m := range model {
			want[k] = &mail{maps.Clone(m.boxes), maps.Clone(m.keywords)}
		}
		if b := some(names, id); len(b) > 0 {
			create["k"] = map[string]any{"mailboxIds": b, "keywords": some(keywords, same1), "subject": fmt.Sprint(n), "textBody": []any{map[string]any{"partId": "a"}},
				"bodyValues": map[string]any{"a": map[string]any{"value": "x"}}}
		}
		for _, k := range slices.Sorted(maps.Keys(model)) {
			switch r.IntN(6) {
			case 0:
				destroy = append(destroy, k)
				delete(want, k)
			case 1, 2:
				p := map[string]any{}
				m := want[k]
				if b := some(names, id); r.IntN(2) == 0 {
					p["mailboxIds"], m.boxes = b, b
				} else {
					for b := range b {
						if r.IntN(2) == 0 {
							p["mailboxIds/"+b], m.boxes[b] = true, true
						} else {
							p["mailboxIds/"+b] = nil
							delete(m.boxes, b)
						}
					}
				}
				if kw := some(keywords, same1); r.IntN(2) == 0 {
					p["keywords"], m.keywords = kw, kw
				} else {
					for kw := range kw {
						if r.IntN(2) == 0 {
							p["keywords/"+kw], m.keywords[kw] = true, true
						} else {
							p["keywords/"+kw] = nil
							delete(m.keywords, kw)
						}
					}
				}
				update[k] = p
				if len(m.boxes) == 0 { // refused
					want[k] = model[k]
				}
			}
		}
		res := w.set("Email/set", fmt.Sprintf(`{"create": %s, "update": %s, "destroy": %s}`, mustJSON(t, create), mustJSON(t, update), mustJSON(t, destroy)))
		if len(create) > 0 {
			c := create["k"].(map[string]any)
			want[res.id(t)] = &mail{maps.Clone(c["mailboxIds"].(map[string]bool)), maps.Clone(c["keywords"].(map[string]bool))}
		}
		for k := range update {
			_, ok := res.Updated[k]
			if _, refused := res.NotUpdated[k]; ok == refused {
				t.Fatalf("%s: %+v", k, res)
			}
		}
		model = want
		got := w.emails(`{"ids": null, "properties": ["mailboxIds", "keywords"]}`)
		if len(got) != len(model) {
			t.Fatalf("%d Emails, want %d", len(got), len(model))
		}
		for _, e := range got {
			m := model[e["id"].(string)]
			if m == nil {
				t.Fatalf("%v is there", e)
			}
			same(t, "mailboxIds", e["mailboxIds"], mustJSON(t, m.boxes))
			same(t, "keywords", e["keywords"], mustJSON(t, m.keywords))
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// FuzzPatch applies patches: what comes out is an object that other patches can be applied to, and the one that went in
// stays as it was.
func FuzzPatch(f *testing.F) {
	f.Add(`{"keywords/$seen": true, "a": null}`, `{"keywords": {"x": true}, "a": 1}`)
	f.Add(`{"a/b/c": 1, "a/b~1c": 2, "": 3}`, `{"a": {"b": {}}}`)
	f.Add(`{"a": 1, "a/b": 1}`, `{"a": [1]}`)
	f.Fuzz(func(t *testing.T, patch, object string) {
		var p jmap.PatchObject
		var o map[string]json.RawMessage
		if json.Unmarshal([]byte(patch), &p) != nil || json.Unmarshal([]byte(object), &o) != nil || o == nil {
			return
		}
		before, _ := json.Marshal(o)
		after, err := p.Apply(o)
		if now, _ := json.Marshal(o); string(now) != string(before) {
			t.Fatalf("%s became %s", before, now)
		}
		var e *jmap.SetError
		if err != nil {
			if !errors.As(err, &e) || e.Description == "" {
				t.Fatal(err)
			}
			return
		}
		b, err := json.Marshal(after)
		if err != nil {
			t.Fatal(err)
		}
		var again map[string]json.RawMessage
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatal(err)
		}
		if again, err = p.Apply(again); err != nil {
			return // what is null on the first level is no object any more
		}
		if c, _ := json.Marshal(again); !sameJSON(b, c) {
			t.Fatalf("%s and then %s", b, c)
		}
	})
}

// FuzzDraft makes messages of objects: each is refused with a reason, or becomes a message in which nothing but what
// was given is in the header.
func FuzzDraft(f *testing.F) {
	w := newWriter(f)
	for _, s := range []string{
		`{"subject": "a\u00e9", "from": [{"name": "x", "email": "a@b.example"}], "textBody": [{"partId": "1"}], "bodyValues": {"1": {"value": "x\r\n.\r\nFrom y"}}}`,
		`{"bodyStructure": {"type": "multipart/related", "subParts": [{"partId": "1", "type": "text/html", "cid": "a"}, {"partId": "1", "name": "\u00fc\"x", "disposition": "inline"}]}, "bodyValues": {"1": {"value": "x"}}}`,
		`{"header:X:asRaw": " a\r\n b", "header:To:asGroupedAddresses": [{"name": "g", "addresses": [{"email": "x@y.example"}]}], "header:Date:asDate": "2026-01-01T00:00:00Z", "references": ["a@b"]}`,
		`{"header:X:asText:all": ["a", "b"], "attachments": [{"blobId": "U1"}], "header:List-Id:asText": "a"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, object string) {
		var props map[string]json.RawMessage
		if json.Unmarshal([]byte(object), &props) != nil || props == nil {
			return
		}
		st := &setting{call: &call{batch: &batch{request: &request{s: w.server, user: User{Account: "mjl"}}}}, acc: w.acc}
		d := &draft{setting: st, ctx: t.Context(), top: map[string]bool{}}
		defer d.close()
		var out strings.Builder
		err := d.read(props)
		if err == nil {
			err = d.write(&limitedWriter{&out, 10 << 20})
		}
		if err != nil {
			var e *jmap.SetError
			if !errors.As(err, &e) || e.Type == "" {
				t.Fatalf("%s: %v", object, err)
			}
			return
		}
		head, _, ok := strings.Cut(out.String(), "\r\n\r\n")
		if !ok || strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n\x00") {
			t.Fatalf("%s: header %q", object, head)
		}
		allowed := map[string]bool{"mime-version": true, "message-id": true, "date": true}
		for _, f := range append(d.fields, draftField{name: "content-type"}, draftField{name: "content-transfer-encoding"}, draftField{name: "content-disposition"}, draftField{name: "content-id"}) {
			allowed[strings.ToLower(f.name)] = true
		}
		for _, f := range d.body.Fields {
			allowed[strings.ToLower(f.Name)] = true
		}
		for _, f := range message.ParseHeader([]byte(head + "\r\n\r\n")).Fields() {
			if !allowed[strings.ToLower(f.Name())] {
				t.Fatalf("%s: field %q in %q", object, f.Name(), head)
			}
		}
		if _, err := message.Parse(strings.NewReader(out.String()), message.Limits{}); err != nil {
			t.Fatal(err)
		}
	})
}
