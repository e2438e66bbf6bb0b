package maildir

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/imap"
)

// KeywordsFile is the name of the file that says which keywords letters stand for.
const KeywordsFile = "dovecot-keywords"

// MaxKeywords is how many keywords a folder can have letters for.
const MaxKeywords = 26

// Bounds of the files beside messages.
const (
	maxLine  = 64 << 10
	maxLines = 100_000
)

// letters are those of flags with a meaning of their own, in the order in which they are written.
var letters = []struct {
	letter byte
	flag   string
}{{'D', `\Draft`}, {'F', `\Flagged`}, {'P', `$Forwarded`}, {'R', `\Answered`}, {'S', `\Seen`}, {'T', `\Deleted`}}

// File is what the name of a message's file says.
type File struct {
	Unique  string    // the name without its flags
	Letters string    // of flags, as they are
	Time    time.Time // of delivery; zero when the name does not begin with one
}

// ParseFile takes a file's name apart, without directories. ok is false for files that are
// no messages.
func ParseFile(name string) (f File, ok bool) {
	if name == "" || name[0] == '.' {
		return File{}, false
	}
	f.Unique = name
	// ":" is what the format says; other characters are used where files cannot have it.
	if i := strings.LastIndexAny(name, ":;!"); i > 0 && strings.HasPrefix(name[i+1:], "2,") {
		f.Unique, f.Letters = name[:i], name[i+3:]
	}
	digits := 0
	for digits < len(f.Unique) && f.Unique[digits] >= '0' && f.Unique[digits] <= '9' {
		digits++
	}
	// Up to the year 2106; a shorter number is no time.
	if n, err := strconv.ParseInt(f.Unique[:digits], 10, 64); err == nil && digits >= 8 && n < 1<<32 {
		f.Time = time.Unix(n, 0)
	}
	return f, true
}

// Name is the name of a file in cur.
func (f File) Name() string { return f.Unique + ":2," + f.Letters }

// Flags returns the flags of letters, by their names in IMAP; keywords are those of the
// letters a to z, by number.
func Flags(s string, keywords []string) []string {
	var l []string
	for i := range len(s) {
		c := s[i]
		k := slices.IndexFunc(letters, func(e struct {
			letter byte
			flag   string
		}) bool {
			return e.letter == c
		})
		switch n := int(c) - 'a'; {
		case k >= 0:
			l = append(l, letters[k].flag)
		case n >= 0 && n < len(keywords) && keywords[n] != "":
			l = append(l, keywords[n])
		}
	}
	return l
}

// Keywords gives letters to the keywords of a folder. The zero value has none.
type Keywords struct{ list []string }

// Letters returns the letters of flags, sorted, and the keywords for which there are no
// letters left.
func (k *Keywords) Letters(flags []string) (s string, rest []string) {
	var b []byte
	for _, f := range flags {
		if i := slices.IndexFunc(letters, func(e struct {
			letter byte
			flag   string
		}) bool {
			return strings.EqualFold(e.flag, f)
		}); i >= 0 {
			b = append(b, letters[i].letter)
			continue
		}
		i := slices.IndexFunc(k.list, func(w string) bool { return strings.EqualFold(w, f) })
		if i < 0 && len(k.list) < MaxKeywords {
			i = len(k.list)
			k.list = append(k.list, f)
		}
		if i < 0 {
			rest = append(rest, f)
			continue
		}
		b = append(b, byte('a'+i))
	}
	slices.Sort(b)
	return string(slices.Compact(b)), rest
}

// Empty tells whether no keyword has a letter.
func (k *Keywords) Empty() bool { return len(k.list) == 0 }

// WriteTo writes a KeywordsFile.
func (k *Keywords) WriteTo(w io.Writer) (int64, error) {
	n := int64(0)
	for i, s := range k.list {
		m, err := fmt.Fprintf(w, "%d %s\n", i, s)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// ParseKeywords reads a KeywordsFile: lines of a number and a keyword. Lines that are
// neither are passed over.
func ParseKeywords(r io.Reader) ([]string, error) {
	var list []string
	err := eachLine(r, func(line string) {
		num, word, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(num)
		if err != nil || n < 0 || n >= MaxKeywords || word == "" {
			return
		}
		for len(list) <= n {
			list = append(list, "")
		}
		list[n] = word
	})
	return list, err
}

// ParseSubscriptions reads a file of subscribed folders, a name on a line: of Dovecot, both
// its versions, or of "mox export". Levels of the names are separated by "/".
func ParseSubscriptions(r io.Reader) ([]string, error) {
	var list []string
	tabs, first := false, true
	err := eachLine(r, func(line string) {
		if first && line == "V\t2" {
			tabs = true // levels are separated by tabs, which are escaped in names
		}
		name := line
		if tabs {
			name = strings.ReplaceAll(line, "\t", "/")
		}
		if !first && tabs || !tabs {
			if name = decodeUTF7(name); name != "" {
				list = append(list, name)
			}
		}
		first = false
	})
	return list, err
}

// eachLine calls f for the lines of a small file. Lines that are too long are an error.
func eachLine(r io.Reader, f func(string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1024), maxLine)
	for n := 0; s.Scan(); n++ {
		if n >= maxLines {
			return fmt.Errorf("more than %d lines", maxLines)
		}
		f(strings.TrimSuffix(s.Text(), "\r"))
	}
	return s.Err()
}

// FolderName returns the folder that a directory with new and cur stands for, levels
// separated by "/": dir is relative to where reading began, with "/" and without "." for
// that one, which is "". Names of Maildir++ and of Dovecot are decoded.
func FolderName(dir string) string {
	if dir == "." || dir == "" {
		return ""
	}
	var levels []string
	for _, elem := range strings.Split(path.Clean(dir), "/") {
		if len(elem) > 1 && elem[0] == '.' {
			for _, l := range strings.Split(elem[1:], ".") {
				levels = append(levels, decodeUTF7(l))
			}
			continue
		}
		levels = append(levels, UnescapeLevel(decodeUTF7(elem)))
	}
	return strings.Join(levels, "/")
}

// decodeUTF7 decodes a name as Dovecot keeps it; others stay as they are.
func decodeUTF7(s string) string {
	if name, ok := imap.DecodeUTF7(s); ok && strings.Contains(s, "&") {
		return name
	}
	return s
}

// reserved are names of directories and files that a folder cannot have.
var reserved = []string{"cur", "new", "tmp", "subscriptions", KeywordsFile, ExtraFile, "errors.txt"}

// EscapeLevel returns one level of a folder's name as the name of a directory on any
// system: characters that these have a use for are written as %XX. [UnescapeLevel] brings it
// back.
func EscapeLevel(s string) string {
	var b strings.Builder
	whole := slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, s) })
	for i := range len(s) {
		c := s[i]
		special := c < ' ' || c == 0x7f || strings.IndexByte(`%/\:*?"<>|&`, c) >= 0
		edge := i == 0 && (c == '.' || c == ' ' || whole) || i == len(s)-1 && (c == '.' || c == ' ')
		dotted := c == '.' && (strings.EqualFold(s[i:], ".mbox") || strings.EqualFold(s[i:], ".sbd"))
		if special || edge || dotted {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// UnescapeLevel undoes EscapeLevel.
func UnescapeLevel(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && strings.ToUpper(s[i+1:i+3]) == s[i+1:i+3] {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ExtraFile is the name of a file in which "mox export" notes keywords for which a folder
// has no letters left: lines of a file's unique name, a tab, and keywords.
const ExtraFile = "mox-keywords"

// ParseExtra reads an ExtraFile.
func ParseExtra(r io.Reader) (map[string][]string, error) {
	m := map[string][]string{}
	err := eachLine(r, func(line string) {
		if unique, words, ok := strings.Cut(line, "\t"); ok {
			m[unique] = strings.Fields(words)
		}
	})
	return m, err
}
