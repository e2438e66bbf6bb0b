package serve

import (
	"encoding/json"
	"strings"

	"mox/status"
)

// wantStatus looks for a kind of problem among what "mox status" tells, or "" for none.
func (r *run) wantStatus(kind string) {
	r.t.Helper()
	out, err := r.control("status")
	var report status.Report
	if err == nil {
		err = json.Unmarshal([]byte(out), &report)
	}
	var kinds []string
	for _, s := range report.Sentences {
		if s.Level != status.Hint {
			kinds = append(kinds, s.Kind)
		}
	}
	got := " " + strings.Join(kinds, " ") + " "
	if err != nil || !strings.Contains(got, " "+kind+" ") || report.OK != (kind == "") || report.OK != (len(kinds) == 0) {
		r.t.Errorf("status has no %q: %s, %v", kind, out, err)
	}
}
