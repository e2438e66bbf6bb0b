package search

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"mox/store"
)

// spelled is a format that needs a program to be read: its letters are in reverse order.
type spelled struct{}

func (spelled) Handles(t string) bool { return t == "application/x-reverse" || t == "application/pdf" }

func (spelled) Text(_ context.Context, _ string, doc io.Reader) ([]byte, error) {
	b, err := io.ReadAll(doc)
	if err != nil || strings.HasPrefix(string(b), "!") {
		return nil, errors.New("no such document")
	}
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b, nil
}

func withDocuments(docs ...string) string {
	var b strings.Builder
	b.WriteString("From: a@example.org\r\nSubject: two documents\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n")
	for _, d := range docs {
		b.WriteString("--x\r\n" + d + "\r\n")
	}
	b.WriteString("--x--\r\n")
	return b.String()
}

// TestDocuments: the text of documents is found once it is in the index, by BODY and TEXT,
// the same by index and by looking into the message.
func TestDocuments(t *testing.T) {
	f := newFixture(t, Config{Documents: spelled{}})
	ids := f.add(
		withDocuments("Content-Type: application/x-reverse\r\n\r\n,dlrow olleh", "Content-Type: application/octet-stream; name=a.PDF\r\nContent-Transfer-Encoding: base64\r\n\r\ndHhldCBub2lzbmV0eGU="),
		withDocuments("Content-Type: application/x-reverse\r\n\r\n!olleh", "Content-Type: application/zip\r\n\r\nolleh"),
		withDocuments("Content-Type: application/x-reverse\r\n\r\n"),
		"Content-Type: application/pdf\r\n\r\nenola",
	)
	f.indexed()
	for _, tc := range []struct {
		q    Query
		want []store.BodyID
	}{
		{Query{FieldBody, "", "hello world"}, ids[:1]},
		{Query{FieldText, "", "LLO WOR"}, ids[:1]},
		{Query{FieldBody, "", "extension text"}, ids[:1]},
		{Query{FieldBody, "", "hello"}, ids[:1]},
		{Query{FieldBody, "", "olleh"}, nil},
		{Query{FieldBody, "", "alone"}, ids[3:]},
		{Query{FieldSubject, "", "hello"}, nil},
		{Query{FieldBody, "", "below"}, ids[:3]},
	} {
		res, ok := f.m.Candidates(f.ctx, f.acc, tc.q)
		if !ok {
			t.Fatalf("%+v: no answer", tc.q)
		}
		var got []store.BodyID
		for _, id := range ids {
			if f.match(id, tc.q) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v match, want %v", tc.q, got, tc.want)
		}
		f.check(tc.q)
		if len(res.Matches)+len(res.Candidates) < len(tc.want) {
			t.Errorf("%+v: index says %+v", tc.q, res)
		}
	}
}

// TestDocumentsGone: text goes with its message.
func TestDocumentsGone(t *testing.T) {
	f := newFixture(t, Config{Documents: spelled{}})
	ids := f.add(withDocuments("Content-Type: application/x-reverse\r\n\r\nolleh"), mail("stays", "here"))
	f.indexed()
	a, err := f.m.acquire(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer f.m.release(a)
	if text, err := a.index.document(f.ctx, ids[0], 2); string(text) != "hello" || err != nil {
		t.Fatalf("%q %v", text, err)
	}
	if err := a.index.markDead(f.ctx, ids[:1]); err != nil {
		t.Fatal(err)
	}
	if text, err := a.index.document(f.ctx, ids[0], 2); text != nil || err != nil {
		t.Errorf("%q %v", text, err)
	}
}

// TestLag: the lag is there while messages wait, and gone once they are indexed.
func TestLag(t *testing.T) {
	f := newFixture(t, Config{})
	f.add(mail("one", "two"))
	f.m.Touch("alice")
	if f.m.Stats().Lag <= 0 {
		t.Error("no lag while a message waits")
	}
	f.indexed()
	if lag := f.m.Stats().Lag; lag != 0 {
		t.Errorf("lag %s", lag)
	}
}
