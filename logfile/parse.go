package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"mox/mlog"
)

// Field is a field of a line.
type Field struct{ Key, Value string }

// Line is a line of the log.
type Line struct {
	Time   time.Time // zero: it has none
	Level  slog.Level
	Msg    string
	Fields []Field // in their order, with err and pkg, which can be there several times
}

// ErrLine is for what is no line of the log.
var ErrLine = errors.New("no line of the log")

// Bounds of lines that are read.
const (
	MaxLine   = 256 << 10
	maxFields = 200
)

// Get returns the value of the first field with a key, or "".
func (l *Line) Get(key string) string {
	for _, f := range l.Fields {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// Parse parses a line in logfmt or JSON, as package mlog writes them, with or without time. What comes before, as
// from "journalctl", is left out.
func Parse(b []byte) (*Line, error) {
	b = bytes.TrimRight(b, "\r\n")
	if len(b) > MaxLine {
		return nil, ErrLine
	}
	if i := bytes.IndexByte(b, '{'); i >= 0 && bytes.Contains(b[i:min(len(b), i+60)], []byte(`"l":"`)) && !bytes.Contains(b[:i], []byte("l=")) {
		return parseJSON(b[i:])
	}
	for _, start := range []string{"t=", "l="} {
		if i := bytes.Index(b, []byte(start)); i == 0 || i > 0 && (b[i-1] == ' ' || b[i-1] == '>') {
			if l, err := parseLogfmt(string(b[i:])); err == nil {
				return l, nil
			}
		}
	}
	return nil, ErrLine
}

// take takes over a field, those of the head of a line apart.
func (l *Line) take(key, value string) error {
	var err error
	switch {
	case key == "t" && l.Time.IsZero() && len(l.Fields) == 0:
		l.Time, err = time.Parse(time.RFC3339, value)
	case key == "l" && l.Level == noLevel:
		l.Level, err = mlog.ParseLevel(value)
	case key == "m" && l.Msg == "" && len(l.Fields) == 0:
		l.Msg = value
	case len(l.Fields) >= maxFields:
		err = ErrLine
	default:
		l.Fields = append(l.Fields, Field{key, value})
	}
	return err
}

// noLevel is none of package mlog.
const noLevel = slog.Level(-1000)

func (l *Line) checked() (*Line, error) {
	if l.Level == noLevel {
		return nil, ErrLine
	}
	return l, nil
}

func parseLogfmt(s string) (*Line, error) {
	l := &Line{Level: noLevel}
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return nil, ErrLine
		}
		value := ""
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, ErrLine
			}
			if value, err = strconv.Unquote(quoted); err != nil {
				return nil, ErrLine
			}
			rest = rest[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(rest, " ")
			rest = " " + rest
		}
		if rest != "" && rest[0] != ' ' {
			return nil, ErrLine
		}
		if err := l.take(key, value); err != nil {
			return nil, ErrLine
		}
		s = rest
	}
	return l.checked()
}

// parseJSON keeps the order of fields.
func parseJSON(b []byte) (*Line, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, ErrLine
	}
	l := &Line{Level: noLevel}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, ErrLine
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, ErrLine
		}
		for _, v := range texts(raw) {
			if err := l.take(key, v); err != nil {
				return nil, ErrLine
			}
		}
	}
	if _, err := d.Token(); err != nil { // torn
		return nil, ErrLine
	}
	return l.checked()
}

// texts are the values of JSON, those of a list of strings one by one.
func texts(raw json.RawMessage) []string {
	var s string
	var list []string
	switch {
	case json.Unmarshal(raw, &s) == nil:
		return []string{s}
	case json.Unmarshal(raw, &list) == nil:
		return list
	}
	return []string{string(raw)}
}

// String is the line in logfmt.
func (l *Line) String() string {
	var b []byte
	if !l.Time.IsZero() {
		b = append(b, "t="...)
		b = l.Time.AppendFormat(b, TimeFormat)
		b = append(b, ' ')
	}
	b = append(b, "l="+mlog.LevelName(l.Level)+" m="...)
	b = strconv.AppendQuote(b, l.Msg)
	for _, f := range l.Fields {
		b = append(b, ' ')
		b = append(b, f.Key...)
		b = append(b, '=')
		b = mlog.AppendQuoted(b, f.Value)
	}
	return string(b)
}

// JSON is the line as an object: values of keys that are there several times, and of pkg, are lists.
func (l *Line) JSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	add := func(key string, v any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if err := encode(&b, key); err != nil {
			return err
		}
		b.WriteByte(':')
		return encode(&b, v)
	}
	var errs []error
	if !l.Time.IsZero() {
		errs = append(errs, add("t", l.Time.Format(TimeFormat)))
	}
	errs = append(errs, add("l", mlog.LevelName(l.Level)), add("m", l.Msg))
	done := map[string]bool{}
	for _, f := range l.Fields {
		if done[f.Key] {
			continue
		}
		done[f.Key] = true
		var all []string
		for _, g := range l.Fields {
			if g.Key == f.Key {
				all = append(all, g.Value)
			}
		}
		key := f.Key
		if key == "t" || key == "l" || key == "m" {
			key += "_" // those of the head are others
		}
		if len(all) == 1 && f.Key != "pkg" {
			errs = append(errs, add(key, all[0]))
		} else {
			errs = append(errs, add(key, all))
		}
	}
	b.WriteByte('}')
	return b.Bytes(), errors.Join(errs...)
}

// encode writes JSON on the line, as people read it.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	b.Truncate(len(bytes.TrimRight(b.Bytes(), "\n")))
	return err
}
