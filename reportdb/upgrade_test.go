package reportdb

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"mox/db/dbtest"
	"mox/tlsrpt"
)

// TestUpgrade opens files that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		d := open(t, dbtest.File(t, file, FileName), Options{})
		dbtest.Equal(t, content(t, d), text)
		// It is in full use.
		check(t, d.AddEvaluation(t.Context(), evaluation("192.0.2.9")))
		if added, err := d.AddDMARCReport(t.Context(), dmarcReport("new", now)); err != nil || !added {
			t.Error(added, err)
		}
		if added, err := d.AddTLSReport(t.Context(), tlsReport("0", now)); err != nil || added {
			t.Error(added, err)
		}
	}})
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

func writeUpgrade(t *testing.T) (path, text string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), FileName)
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
	text = content(t, d)
	check(t, d.Close())
	return path, text
}
