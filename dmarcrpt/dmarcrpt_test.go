package dmarcrpt

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"mox/message"
)

// example is a report with all that the example of RFC 9990 has.
func example(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/rfc9990.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exampleReport() *Feedback {
	return &Feedback{
		Version: "1.0",
		Metadata: ReportMetadata{
			OrgName: "Sample Reporter", Email: "report_sender@example-reporter.com", ExtraContactInfo: "...", ReportID: "3v98abbp8ya9n3va8yr8oa3ya",
			DateRange: DateRange{302832000, 302918399}, Generator: "Example DMARC Aggregate Reporter v1.2",
		},
		Policy: PolicyPublished{Domain: "example.com", P: "quarantine", SP: "none", NP: "none", Testing: "n", DiscoveryMethod: "treewalk"},
		Records: []Record{{
			Row:         Row{SourceIP: "192.0.2.123", Count: 123, PolicyEvaluated: PolicyEvaluated{Disposition: "pass", DKIM: "pass", SPF: "fail"}},
			Identifiers: Identifiers{EnvelopeFrom: "example.com", HeaderFrom: "example.com"},
			AuthResults: AuthResults{DKIM: []DKIMResult{{Domain: "example.com", Selector: "abc123", Result: "pass"}}, SPF: []SPFResult{{Domain: "example.com", Result: "fail"}}},
		}},
	}
}

func TestExample(t *testing.T) {
	got, err := Parse(strings.NewReader(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exampleReport(), got); d != "" {
		t.Error(d)
	}
	if got.Summary() != (Summary{Messages: 123, Pass: 123, SPFFail: 123}) {
		t.Error(got.Summary())
	}
	if s := got.Metadata.DateRange; s.Start().Format(time.DateOnly) != "1979-08-07" || s.Stop().Sub(s.Start()) != 24*time.Hour-time.Second {
		t.Error(s.Start(), s.Stop())
	}
}

func gz(s string) string {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	io.WriteString(w, s)
	w.Close()
	return buf.String()
}

// zipped has pairs of names and contents.
func zipped(files ...string) string {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for i := 0; i < len(files); i += 2 {
		f, _ := w.Create(files[i])
		io.WriteString(f, files[i+1])
	}
	w.Close()
	return buf.String()
}

func utf16LE(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestSloppy(t *testing.T) {
	x := example(t)
	with := func(old, new string) string {
		if !strings.Contains(x, old) {
			t.Fatal(old)
		}
		return strings.ReplaceAll(x, old, new)
	}
	declaration := `<?xml version="1.0" encoding="UTF-8"?>`
	for name, in := range map[string]string{
		"no namespace":       with(` xmlns="urn:ietf:params:xml:ns:dmarc-2.0"`, ""),
		"other namespace":    with("urn:ietf:params:xml:ns:dmarc-2.0", "http://dmarc.org/dmarc-xml/0.1"),
		"prefix":             strings.NewReplacer("<?", "<?", "</", "</d:", "<feedback xmlns=", "<d:feedback xmlns:d=", "<", "<d:").Replace(x),
		"no declaration":     with(declaration+"\n", ""),
		"BOM":                "\xef\xbb\xbf" + x,
		"empty lines":        "\r\n\r\n" + x + "\x00\x00",
		"UTF-16":             utf16LE(with("UTF-8", "UTF-16")),
		"UTF-16 in name":     with("UTF-8", "UTF-16"),
		"unknown charset":    with("UTF-8", "x-unknown"),
		"latin1":             with("UTF-8", "iso-8859-1"),
		"gzip":               gz(x),
		"gzip, then garbage": gz(x) + "\r\n--\r\n",
		"zip":                zipped("a!b!1!2.xml", x),
		"zip of two files":   zipped("README.txt", "hello", "a.XML", x),
		"zip of a mac":       zipped("__MACOSX/._a.xml", "no", "dir/", "", "dir/report", x),
		"extensions":         with("<record>", `<extension><x:y xmlns:x="urn:x"><record/></x:y></extension><record>`),
		"unknown elements":   with("<row>", "<row><more>x</more>"),
		"spaces":             with("192.0.2.123", "\n 192.0.2.123\t"),
		"case":               with("<disposition>pass", "<disposition>PASS"),
		"number":             with("<count>123", "<count> 123.0 "),
		"doctype":            with("<feedback ", "<!DOCTYPE feedback><feedback "),
		"mail footer":        x + "\n-- \nsent by a <list>",
		"upper-case domain":  with("<domain>example.com", "<domain>Example.COM."),
	} {
		got, err := Parse(strings.NewReader(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(exampleReport(), got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestLegacy(t *testing.T) {
	// As of RFC 7489, with words that some use, and what is missing in some.
	in := "<feedback><report_metadata><org_name>B\xfccher &amp; S\x01\xf6hne &nbsp;</org_name><date_range><begin></begin><end>-5</end></date_range><error>a</error><error>b</error></report_metadata>" +
		"<policy_published><domain>example.org</domain><adkim>r</adkim><pct>50</pct></policy_published>" +
		"<record><row><source_ip>2001:db8::1</source_ip><count>2</count><policy_evaluated><disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf><reason><type>sampled_out</type></reason></policy_evaluated></row>" +
		"<identifiers/><auth_results><spf><domain/><result>hardfail</result></spf></auth_results></record></feedback>"
	f, err := Parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := &Feedback{
		Metadata: ReportMetadata{OrgName: "B\ufffdcher & S \ufffdhne &nbsp;", Errors: []string{"a", "b"}},
		Policy:   PolicyPublished{Domain: "example.org", ADKIM: "r", Pct: "50"},
		Records: []Record{{
			Row:         Row{SourceIP: "2001:db8::1", Count: 2, PolicyEvaluated: PolicyEvaluated{Disposition: "reject", DKIM: "fail", SPF: "fail", Reasons: []Reason{{Type: "sampled_out"}}}},
			AuthResults: AuthResults{SPF: []SPFResult{{Result: "fail"}}},
		}},
	}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
	if f.Summary() != (Summary{Messages: 2, Reject: 2, Override: 2, DKIMFail: 2, SPFFail: 2}) {
		t.Error(f.Summary())
	}
}

func TestRefused(t *testing.T) {
	x := example(t)
	record := x[strings.Index(x, "<record>"):strings.Index(x, "</feedback>")]
	bomb := gz(strings.Repeat(" ", MaxSize+2))
	for name, tc := range map[string]struct {
		in  string
		err error
	}{
		"empty":            {"", ErrReport},
		"text":             {"hello", ErrReport},
		"JSON":             {"{}", ErrReport},
		"HTML":             {"<html><body>no</body></html>", ErrReport},
		"truncated":        {x[:len(x)-100], ErrReport},
		"truncated gzip":   {gz(x)[:200], ErrReport},
		"damaged gzip":     {gz(x)[:30] + strings.Repeat("\xff", 50), ErrReport},
		"truncated zip":    {zipped("a.xml", x)[:300], ErrReport},
		"zip without file": {zipped("dir/", ""), ErrReport},
		"zip of nothing":   {zipped(), ErrReport},
		"bomb":             {bomb, ErrTooLarge},
		"zip bomb":         {zipped("a.xml", strings.Repeat(" ", MaxSize+2)), ErrTooLarge},
		"records":          {"<feedback>" + strings.Repeat("<record/>", MaxRecords+1) + "</feedback>", ErrTooLarge},
		"element":          {"<feedback><record>" + strings.Repeat("<a>", maxElement/3) + "</feedback>", ErrTooLarge},
		"number":           {strings.Replace(x, "<count>123", "<count>many", 1), ErrReport},
		"entities":         {`<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feedback><report_metadata><org_name>&b;</org_name></report_metadata></feedback>`, ErrReport},
	} {
		if f, err := Parse(strings.NewReader(tc.in)); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	many := "<feedback>" + strings.Repeat(record, 2000) + "</feedback>"
	if f, err := Parse(strings.NewReader(many)); err != nil || len(f.Records) != 2000 || f.Summary().Messages != 2000*123 {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := Parse(io.MultiReader(strings.NewReader(gz(x)[:100]), readerFunc(func([]byte) (int, error) { return 0, broken }))); !errors.Is(err, broken) || errors.Is(err, ErrReport) {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// schema is the order and number of elements as the schema of RFC 9990 has it: names with
// "?", "*" or "+" for how often.
var schema = map[string]string{
	"feedback":          "version? report_metadata policy_published extension? record+",
	"report_metadata":   "org_name email extra_contact_info? report_id date_range error* generator?",
	"date_range":        "begin end",
	"policy_published":  "domain discovery_method? p? sp? np? adkim? aspf? fo? testing?",
	"record":            "row identifiers auth_results",
	"row":               "source_ip count policy_evaluated",
	"policy_evaluated":  "disposition dkim spf reason*",
	"reason":            "type comment?",
	"identifiers":       "envelope_to? envelope_from? header_from",
	"auth_results":      "dkim* spf*",
	"auth_results/dkim": "domain selector result human_result?",
	"auth_results/spf":  "domain scope? result human_result?",
}

type node struct {
	XMLName  xml.Name
	Children []node `xml:",any"`
}

func (n node) check(t *testing.T, parent string) {
	name := n.XMLName.Local
	if n.XMLName.Space != Namespace {
		t.Errorf("%s has namespace %q", name, n.XMLName.Space)
	}
	model, ok := schema[parent+"/"+name]
	if !ok {
		model = schema[name]
	}
	if parent == "policy_evaluated" {
		model = ""
		if name == "reason" {
			model = schema[name]
		}
	}
	i := 0
	for part := range strings.FieldsSeq(model) {
		want := strings.TrimRight(part, "?*+")
		n0 := i
		for i < len(n.Children) && n.Children[i].XMLName.Local == want {
			i++
		}
		switch got := i - n0; {
		case part == want && got != 1, strings.HasSuffix(part, "?") && got > 1, strings.HasSuffix(part, "+") && got < 1:
			t.Errorf("%s has %d of %s", name, got, want)
		}
	}
	if i != len(n.Children) {
		t.Errorf("%s has %s, which is out of place", name, n.Children[i].XMLName.Local)
	}
	for _, c := range n.Children {
		c.check(t, name)
	}
}

func fullReport() *Feedback {
	f := exampleReport()
	f.Metadata.Errors = []string{"one <&", "two"}
	f.Policy.ADKIM, f.Policy.ASPF, f.Policy.FO = "r", "s", "0"
	f.Records[0].Row.PolicyEvaluated.Reasons = []Reason{{ReasonLocalPolicy, "accepted"}, {ReasonPolicyTestMode, ""}}
	f.Records[0].Identifiers.EnvelopeTo = "to.example"
	f.Records[0].AuthResults.SPF[0].Scope = "mfrom"
	f.Records = append(f.Records, f.Records[0])
	return f
}

func TestXML(t *testing.T) {
	b, err := fullReport().XML()
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := xml.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	root.check(t, "")
	got, err := Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fullReport(), got); d != "" {
		t.Error(d)
	}
}

func mail(t testing.TB) []byte {
	t.Helper()
	m := Message{
		From: message.Address{Mailbox: "postmaster", Host: "mail.receiver.example"}, To: []message.Address{{Mailbox: "d", Host: "example.com"}},
		Date: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), MessageID: "x@mail.receiver.example", Submitter: "mail.receiver.example", Report: fullReport(),
	}
	var b bytes.Buffer
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parseMessage(b []byte) (*Feedback, error) {
	root, err := message.Parse(bytes.NewReader(b), message.Limits{})
	if err != nil {
		return nil, err
	}
	return ParseMessage(bytes.NewReader(b), root)
}

func TestCompose(t *testing.T) {
	b := mail(t)
	got, err := parseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fullReport(), got); d != "" {
		t.Error(d)
	}
	subject := strings.Join(strings.Fields(message.ParseHeader(b).Get("Subject")), " ")
	if subject != "Report Domain: example.com Submitter: mail.receiver.example Report-ID: <3v98abbp8ya9n3va8yr8oa3ya>" {
		t.Error(subject)
	}
}

func TestErrorMessage(t *testing.T) {
	m := ErrorMessage{Size: 123456, URIs: []string{"mailto:d@example.com!10k", "mailto:e@example.com!1k"}}
	m.Message = Message{
		From: message.Address{Mailbox: "postmaster", Host: "r.example"}, To: []message.Address{{Mailbox: "d", Host: "example.com"}},
		Date: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), MessageID: "x@r.example", Submitter: "r.example", Report: exampleReport(),
	}
	var b bytes.Buffer
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	const want = "Report-Date: Tue, 2 Jan 2024 03:04:05 +0000\r\nReport-Domain: example.com\r\nReport-ID: 3v98abbp8ya9n3va8yr8oa3ya\r\nReport-Size: 123456\r\nSubmitter: r.example\r\nSubmitting-URI: mailto:d@example.com!10k,\r\n mailto:e@example.com!1k\r\n"
	if !strings.Contains(b.String(), want) {
		t.Error(b.String())
	}
	if _, err := parseMessage(b.Bytes()); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// TestPython has another program read what is composed.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import sys, email, email.policy, gzip
import xml.etree.ElementTree as ET
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
text, part = m.iter_parts()
root = ET.fromstring(gzip.decompress(part.get_content()))
ns = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
print(part.get_content_type(), part.get_filename(), [e.text for e in root.findall("d:report_metadata/d:error", ns)], len(root.findall("d:record/d:auth_results/d:spf", ns)))
`)
	cmd.Stdin = bytes.NewReader(mail(t))
	out, err := cmd.CombinedOutput()
	if want := "application/gzip mail.receiver.example!example.com!302832000!302918399.xml.gz ['one <&', 'two'] 2\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

func TestParseMessage(t *testing.T) {
	x := example(t)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	bare := func(header, body string) string {
		return "From: a@b.example\r\nMIME-Version: 1.0\r\n" + header + "\r\n" + body
	}
	const encoded = "Content-Transfer-Encoding: base64\r\n"
	for name, tc := range map[string]struct {
		in  string
		err error
	}{
		"gzip":            {bare("Content-Type: application/gzip\r\n"+encoded, b64(gz(x))), nil},
		"zip":             {bare("Content-Type: application/zip\r\n"+encoded, b64(zipped("a.xml", x))), nil},
		"octet-stream":    {bare("Content-Type: application/octet-stream; name=a.zip\r\n"+encoded, b64(zipped("a.xml", x))), nil},
		"name alone":      {bare("Content-Type: application/octet-stream; name=\"a!b!1!2\"\r\n"+encoded, b64(gz(x))), nil},
		"gzip named .xml": {bare("Content-Type: text/plain; name=a.xml\r\n"+encoded, b64(gz(x))), nil},
		"zip as gzip":     {bare("Content-Type: application/gzip; name=a.gz\r\n"+encoded, b64(zipped("a.xml", x))), nil},
		"text/xml":        {bare("Content-Type: text/xml\r\n", x), nil},
		"second part":     {bare("Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\nContent-Type: text/xml\r\n\r\n<smil/>\r\n--x\r\nContent-Type: application/gzip\r\n"+encoded+"\r\n"+b64(gz(x))+"\r\n--x--\r\n"), nil},
		"truncated":       {bare("Content-Type: application/gzip\r\n"+encoded, b64(gz(x))[:200]), ErrReport},
		"text":            {bare("", "hello"), ErrNone},
		"encoding":        {bare("Content-Type: application/gzip\r\nContent-Transfer-Encoding: odd\r\n", "x"), ErrReport},
		"large":           {bare("Content-Type: text/xml\r\n", strings.Repeat(" ", MaxPacked)), ErrTooLarge},
	} {
		f, err := parseMessage([]byte(tc.in))
		if !errors.Is(err, tc.err) || err == nil && f.Metadata.ReportID != exampleReport().Metadata.ReportID {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	x := example(f)
	f.Add([]byte(x))
	f.Add([]byte(gz(x)))
	f.Add([]byte(zipped("a.xml", x)))
	f.Add([]byte(`<?xml encoding="iso-8859-1"?><a><record><auth_results><dkim/></auth_results></record></a>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		out, err := r.XML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if d := cmp.Diff(fmt.Sprintf("%#v", r), fmt.Sprintf("%#v", again)); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add(mail(f))
	f.Fuzz(func(_ *testing.T, b []byte) { parseMessage(b) })
}
