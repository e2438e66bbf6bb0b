package directory

import (
	"slices"
	"strings"
	"testing"
)

// TestSharing: what access control lists call users and groups, and who may share.
func TestSharing(t *testing.T) {
	const more = `	$team@example.org:
		Domain: example.org
	-chris:
		Domain: example.org
	Anyone:
		Domain: example.org
	off:
		LoginDisabled: left
		Domain: example.org
	alone:
		NoSharing: true
		Domain: example.org
`
	v := NewView(load(t, static, dynamic+more))
	names := make([]string, 0, len(v.Snapshot.Accounts))
	for name := range v.Snapshot.Accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		ids := v.Identifiers(name)
		if bad := strings.ContainsAny(name[:1], "$-") || slices.Contains([]string{"Anyone", "off", "alone"}, name); bad != (len(ids) == 0) {
			t.Errorf("identifiers of %s: %q", name, ids)
		}
	}
	for _, tc := range []struct{ owner, name, want string }{
		{"mjl", "admin", "admin"},
		{"mjl", "mjl", "mjl"},
		{"mjl", "mjl@example.org", "mjl"},
		{"admin", "MJL+x@example.org", "mjl"},
		{"mjl", "nobody", ""},
		{"mjl", "", ""},
		{"mjl", "nobody@example.org", ""},
		{"mjl", "off", ""},
		{"mjl", "alone", ""},
		{"alone", "mjl", ""},
		{"mjl", "Anyone", ""},
		{"mjl", "-chris", ""},
		{"mjl", "$team@example.org", "$team@example.org"},
		{"mjl", "$TEAM@example.org", "$team@example.org"},
		{"mjl", "$mjl@example.org", ""},
		{"mjl", "$nothing@example.org", ""},
		{"mjl", "$", ""},
	} {
		got, ok := v.Identify(tc.owner, tc.name)
		if !strings.EqualFold(got, tc.want) && ok || ok != (tc.want != "") {
			t.Errorf("%s for %s: %q %v, want %q", tc.name, tc.owner, got, ok, tc.want)
		}
		if ok && got != tc.want && !strings.HasPrefix(tc.want, "$") {
			t.Errorf("%s for %s: %q, want %q", tc.name, tc.owner, got, tc.want)
		}
		// What a list keeps is what its members go by.
		if group := strings.HasPrefix(tc.want, "$"); ok && group && !slices.Contains(v.Identifiers("mjl"), got) {
			t.Errorf("%q is not among %q", got, v.Identifiers("mjl"))
		}
	}
	if v.Allowed("mjl", "nobody") || v.Allowed("off", "mjl") || v.Allowed("mjl", "off") || !v.Allowed("mjl", "admin") {
		t.Error("who may share")
	}
	v = NewView(load(t, static+"SharingWithinDomain: true\n", dynamic+more))
	if !v.Allowed("mjl", "admin") || v.Allowed("mjl", "x") {
		t.Error("sharing within a domain")
	}
	v = NewView(load(t, static+"NoSharing: true\n", dynamic+more))
	if v.Allowed("mjl", "x") || v.Identifiers("mjl") != nil {
		t.Error("sharing is switched off")
	}
}
