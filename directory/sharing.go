package directory

import (
	"strings"

	"mox/config"
	"mox/smtp"
)

// groupPrefix begins the identifier of an alias in access control lists.
const groupPrefix = "$"

// Identifiers is [View.Identifiers] as of now.
func (d *Directory) Identifiers(account string) []string { return d.View().Identifiers(account) }

// Identify is [View.Identify] as of now.
func (d *Directory) Identify(owner, name string) (string, bool) {
	return d.View().Identify(owner, name)
}

// Allowed is [View.Allowed] as of now.
func (d *Directory) Allowed(owner, user string) bool { return d.View().Allowed(owner, user) }

// sharer returns an account that may take part in sharing mailboxes: one that exists and
// whose logins are not disabled, unless sharing is switched off.
func (v View) sharer(account string) *config.AccountInfo {
	info := v.Snapshot.Accounts[account]
	// Such names mean something else in lists.
	if strings.HasPrefix(account, groupPrefix) || strings.HasPrefix(account, "-") || strings.EqualFold(account, "anyone") {
		return nil
	}
	if info == nil || v.Snapshot.Static.NoSharing || info.Config.NoSharing || info.Config.LoginDisabled != "" {
		return nil
	}
	return info
}

// Identifiers returns what stands for the user of an account in access control lists of
// mailboxes (RFC 4314 2): the name of the account, and "$" before the address of each alias
// that delivers to it. None for an account that may not share.
func (v View) Identifiers(account string) []string {
	info := v.sharer(account)
	if info == nil {
		return nil
	}
	ids := make([]string, 0, 1+len(info.Aliases))
	ids = append(ids, info.Name)
	for _, a := range info.Aliases {
		ids = append(ids, groupPrefix+a.Address.String())
	}
	return ids
}

// Allowed tells whether owner may share mailboxes with user.
func (v View) Allowed(owner, user string) bool {
	o, u := v.sharer(owner), v.sharer(user)
	if o == nil || u == nil {
		return false
	}
	return !v.Snapshot.Static.SharingWithinDomain || o.Domain == u.Domain
}

// Identify returns the identifier, one of those of Identifiers, that a name stands for in
// lists of owner: an address that somebody logs in with, the name of an account, or "$"
// before the address of an alias. RFC 4314 2: names to log in with come first. It is false
// for names of nobody, and of those with whom owner may not share.
func (v View) Identify(owner, name string) (identifier string, ok bool) {
	if group, ok := strings.CutPrefix(name, groupPrefix); ok {
		return v.group(owner, group)
	}
	account := name
	if info, err := v.Login(name); err == nil && info != nil {
		account = info.Name
	}
	if account == owner {
		return account, v.sharer(owner) != nil
	}
	return account, v.Allowed(owner, account)
}

// group finds an alias. It has members with whom owner may share, or is not told from none.
func (v View) group(owner, address string) (string, bool) {
	a, err := smtp.ParseAddressLax(address)
	if err != nil {
		return "", false
	}
	d := v.Snapshot.Domain(a.Domain)
	r := Result{Address: a, Base: a}
	if d == nil || !v.owner(&r, d) || r.Alias == nil {
		return "", false
	}
	for _, m := range r.Alias.Members {
		if v.Allowed(owner, m.Account) {
			return groupPrefix + r.Alias.Address.String(), true
		}
	}
	return "", false
}
