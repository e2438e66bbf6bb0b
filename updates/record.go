package updates

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of records.
var (
	// ErrNoRecord: the domain has no record of a newest version.
	ErrNoRecord = errors.New("no update record")
	// ErrRecord: there is one, which is not valid.
	ErrRecord = errors.New("invalid update record")
)

const (
	recordVersion = "UPDATES0"
	// maxRecord bounds the text of a record, in bytes.
	maxRecord = 1024
)

// Record tells which version is the newest: the TXT record at _updates.<domain>.
type Record struct {
	Latest Version
}

// String is the text of the record: "v=UPDATES0; l=v1.2.3".
func (r Record) String() string { return "v=" + recordVersion + "; l=" + r.Latest.String() }

// ParseRecord parses the text of a record. is tells whether it is meant to be one of updates.
// Unknown fields are passed over. Errors wrap ErrRecord.
func ParseRecord(s string) (r Record, is bool, _ error) {
	fields := strings.Split(s[:min(len(s), maxRecord+1)], ";")
	if strings.TrimSpace(fields[0]) != "v="+recordVersion {
		return Record{}, false, fmt.Errorf("%w: does not begin with \"v=%s;\"", ErrRecord, recordVersion)
	}
	if len(s) > maxRecord {
		return Record{}, true, fmt.Errorf("%w: longer than %d bytes", ErrRecord, maxRecord)
	}
	latest := false
	for _, f := range fields[1:] {
		name, value, ok := strings.Cut(f, "=")
		switch name = strings.TrimSpace(name); {
		case !ok && name == "": // a semicolon at the end
			continue
		case !ok || name == "":
			return Record{}, true, fmt.Errorf("%w: field %q", ErrRecord, f)
		case name != "l":
			continue
		case latest:
			return Record{}, true, fmt.Errorf("%w: two fields l", ErrRecord)
		}
		var err error
		if r.Latest, err = ParseVersion(strings.TrimSpace(value)); err != nil {
			return Record{}, true, fmt.Errorf("%w: %w", ErrRecord, err)
		}
		latest = true
	}
	if !latest {
		return Record{}, true, fmt.Errorf("%w: no field l", ErrRecord)
	}
	return r, true, nil
}
