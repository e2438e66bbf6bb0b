package dnsrecords

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/dkim"
)

// width is that of comments.
const width = 100

// WriteZone writes records as a fragment of a zone file (RFC 1035 5.1), with purposes as
// comments, and records that have a precondition as comments that begin with ";;".
func WriteZone(w io.Writer, records []Record) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "$TTL %d\n", DefaultTTL/time.Second)
	var last Record
	for i, r := range records {
		if i == 0 || r.Section != last.Section {
			fmt.Fprintf(out, "\n; %s\n", r.Section)
		}
		if i == 0 || r.Purpose != last.Purpose || r.Section != last.Section {
			fmt.Fprintln(out)
			writeComment(out, "; ", r.Purpose)
			last.Precondition = ""
		}
		if r.Precondition != "" && r.Precondition != last.Precondition {
			writeComment(out, "; ", r.Precondition)
		}
		writeRecord(out, r)
		last = r
	}
	return out.Flush()
}

// writeRecord writes one record, with Value the absent one only its name.
func writeRecord(out *bufio.Writer, r Record) {
	if r.Value == "" {
		fmt.Fprintf(out, ";; %s %s ...\n", r.Name, r.Type)
		return
	}
	text := r.String() + "\n"
	if r.Precondition != "" {
		for line := range strings.Lines(text) {
			out.WriteString(";; " + strings.Replace(line, "\t", "    ", 1))
		}
		return
	}
	out.WriteString(text)
}

// String returns the record as in a zone file, without final newline. A long TXT record has
// several lines.
func (r Record) String() string {
	ttl := ""
	if r.TTL != DefaultTTL {
		ttl = fmt.Sprintf("%d ", r.TTL/time.Second)
	}
	value := r.Value
	if r.Type == "TXT" {
		value = dkim.ZoneText(value)
	}
	return fmt.Sprintf("%s %sIN %s %s", r.Name, ttl, r.Type, value)
}

// quotedLine is the text of a TXT record as quoted strings in one line.
func quotedLine(txt string) string {
	var l []string
	for _, s := range dkim.Strings(txt) {
		l = append(l, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`)
	}
	return strings.Join(l, " ")
}

// writeComment writes text in lines that are not too long.
func writeComment(out *bufio.Writer, prefix, text string) {
	line := prefix
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) > width && line != prefix {
			fmt.Fprintln(out, strings.TrimRight(line, " "))
			line = prefix
		}
		line += word + " "
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}
