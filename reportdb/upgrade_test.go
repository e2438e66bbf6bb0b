package reportdb

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mox/tlsrpt"
)

// With -make-upgrade, TestUpgrade first writes testdata/upgrade/N for the current
// version of the schema. That is done once, in the commit that adds the version, and
// the file is never changed again: what a release wrote, every later one opens.
var makeUpgrade = flag.Bool("make-upgrade", false, "write a file of the current schema version for TestUpgrade")

const upgradeDir = "testdata/upgrade"

// TestUpgrade opens files that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	files, err := fs.Glob(schema(), "*.sql")
	check(t, err)
	if *makeUpgrade {
		writeUpgrade(t, len(files))
	}
	for v := 1; v <= len(files); v++ {
		base := filepath.Join(upgradeDir, fmt.Sprint(v))
		data, err := os.ReadFile(base + ".db.zst")
		if err != nil {
			t.Fatalf("%v: every version of the schema has a file here, see -make-upgrade", err)
		}
		want, err := os.ReadFile(base + ".json")
		check(t, err)
		dec, err := zstd.NewReader(nil)
		check(t, err)
		defer dec.Close()
		raw, err := dec.DecodeAll(data, nil)
		check(t, err)
		path := filepath.Join(t.TempDir(), FileName)
		check(t, os.WriteFile(path, raw, 0o600))
		d := open(t, path, Options{})
		equal(t, string(want), content(t, d))
		// It is in full use.
		check(t, d.AddEvaluation(t.Context(), evaluation("192.0.2.9")))
		if added, err := d.AddDMARCReport(t.Context(), dmarcReport("new", now)); err != nil || !added {
			t.Error(added, err)
		}
		if added, err := d.AddTLSReport(t.Context(), tlsReport("0", now)); err != nil || added {
			t.Error(added, err)
		}
	}
}

// content is all of a database as text.
func content(t *testing.T, d *DB) string {
	t.Helper()
	var all struct {
		TLSResults     []TLSDay
		Evaluations    []Evaluation
		TLSReports     []TLSReport
		TLSSummaries   []TLSSummary
		DMARCReports   []DMARCReport
		DMARCSummaries []DMARCSummary
		Suppressions   []Suppression
	}
	var err error
	all.TLSResults, err = d.TLSResults(t.Context(), "")
	check(t, err)
	all.Evaluations, err = d.Evaluations(t.Context(), "a.example", time.Time{}, time.Time{})
	check(t, err)
	all.TLSReports, err = d.TLSReports(t.Context(), Filter{})
	check(t, err)
	all.TLSSummaries, err = d.TLSSummaries(t.Context(), Filter{})
	check(t, err)
	all.DMARCReports, err = d.DMARCReports(t.Context(), Filter{})
	check(t, err)
	all.DMARCSummaries, err = d.DMARCSummaries(t.Context(), Filter{})
	check(t, err)
	all.Suppressions, err = d.Suppressions(t.Context(), KindDMARC)
	check(t, err)
	b, err := json.MarshalIndent(&all, "", "\t")
	check(t, err)
	return string(b) + "\n"
}

func writeUpgrade(t *testing.T, version int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	d := open(t, path, Options{})
	check(t, d.AddTLSResult(t.Context(), []TLSResult{
		{RecipientDomain: domain("a.example"), SendReport: true, Results: []tlsrpt.Result{result(tlsrpt.PolicySTS, "a.example", 1, 2)}},
		{RecipientDomain: domain("a.example"), Host: true, Results: []tlsrpt.Result{result(tlsrpt.PolicyTLSA, "mx.a.example", 3, 0)}},
	}))
	check(t, d.AddEvaluation(t.Context(), evaluation("192.0.2.1")))
	for i := range 2 {
		_, err := d.AddTLSReport(t.Context(), tlsReport(fmt.Sprint(i), now))
		check(t, err)
		_, err = d.AddDMARCReport(t.Context(), dmarcReport(fmt.Sprint(i), now))
		check(t, err)
	}
	_, err := d.Suppress(t.Context(), Suppression{Kind: KindDMARC, Address: "a@a.example", Until: now.Add(time.Hour), Comment: "bounced"})
	check(t, err)
	text := content(t, d)
	check(t, d.Close())
	raw, err := os.ReadFile(path)
	check(t, err)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(t, err)
	defer enc.Close()
	check(t, os.MkdirAll(upgradeDir, 0o755))
	base := filepath.Join(upgradeDir, fmt.Sprint(version))
	check(t, os.WriteFile(base+".db.zst", enc.EncodeAll(raw, nil), 0o644))
	check(t, os.WriteFile(base+".json", []byte(text), 0o644))
}
