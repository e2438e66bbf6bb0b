package dbtest

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// What Write makes is what Check gets, for each version of the schema.
func TestUpgrade(t *testing.T) {
	t.Chdir(t.TempDir())
	defer func(old bool) { *makeUpgrade = old }(*makeUpgrade)
	schema := fstest.MapFS{}
	var seen []string
	v := Versions{
		Schema: schema,
		Write: func(t *testing.T) (string, string) {
			path := filepath.Join(t.TempDir(), "x.db")
			check(t, os.WriteFile(path, []byte{byte(len(schema))}, 0o600))
			return path, "text"
		},
		Check: func(t *testing.T, file []byte, text string) {
			got, err := os.ReadFile(File(t, file, "y.db"))
			check(t, err)
			seen = append(seen, text+string(rune('0'+got[0])))
		},
	}
	*makeUpgrade = true
	for _, name := range []string{"1_a.sql", "2_b.sql"} {
		schema[name] = &fstest.MapFile{}
		Upgrade(t, v)
	}
	*makeUpgrade = false
	Upgrade(t, v)
	if want := []string{"text1", "text1", "text2", "text1", "text2"}; len(seen) != 5 || seen[2] != want[2] || seen[4] != want[4] {
		t.Errorf("%q, want %q", seen, want)
	}
}
