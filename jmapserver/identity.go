package jmapserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"mox/config"
	"mox/jmap"
	"mox/smtp"
	"mox/store"
)

// identityProperties are those of RFC 8621 6.
var identityProperties = []string{"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete"}

// Bounds of identities.
const (
	maxIdentities = 200 // made by the user
	maxSignature  = 100_000
)

// identity is an Identity. Those of the configuration are there without being kept; what the user says of them is.
type identity struct {
	Name          string              `json:"name"`
	Email         string              `json:"email"`
	ReplyTo       []jmap.EmailAddress `json:"replyTo"`
	BCC           []jmap.EmailAddress `json:"bcc"`
	TextSignature string              `json:"textSignature"`
	HTMLSignature string              `json:"htmlSignature"`
}

// object is the identity as clients see it.
func (i *identity) object(id jmap.ID) (map[string]json.RawMessage, error) {
	o, err := asObject(i)
	if err != nil {
		return nil, err
	}
	more, err := asObject(map[string]any{"id": id, "mayDelete": keptIdentities.madeAt(id) != 0})
	if err != nil {
		return nil, err
	}
	o["id"], o["mayDelete"] = more["id"], more["mayDelete"]
	return o, nil
}

// identities are those of an account.
type identities struct {
	ids  []jmap.ID
	byID map[jmap.ID]*identity
	// configured is a hash of those of the configuration, of whose changes no ModSeq tells: it is a part of the state.
	configured string
}

// identityID is that of an address of the configuration: always the same, and with another letter than those that are made.
func identityID(email string) jmap.ID {
	h := sha256.Sum256([]byte(strings.ToLower(email)))
	return jmap.ID("I" + base64.RawURLEncoding.EncodeToString(h[:12]))
}

// configuredEmails are the addresses that an account may send from, the one that was logged in with first.
func configuredEmails(info *config.AccountInfo, login string) []string {
	var l []string
	add := func(local smtp.Localpart, a smtp.Address) {
		email := smtp.Address{Localpart: local, Domain: a.Domain}.String()
		if local == "" {
			email = "*@" + a.Domain.Name()
		}
		if !slices.Contains(l, email) {
			l = append(l, email)
		}
	}
	for _, d := range info.Destinations {
		if d.Key != "" {
			add(d.Address.Localpart, d.Address)
		}
	}
	for _, al := range info.Aliases {
		if al.Config.AllowMsgFrom {
			add(al.Address.Localpart, al.Address)
		}
	}
	slices.SortStableFunc(l, func(a, b string) int {
		rank := func(s string) int {
			switch {
			case strings.EqualFold(s, login):
				return 0
			case strings.HasPrefix(s, "*@"):
				return 2
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return l
}

// identities returns those of the account of the user.
func (c *call) identities(ctx context.Context, acc *store.Account) (*identities, error) {
	stored, err := readKept[identity](ctx, acc, keptIdentities)
	if err != nil {
		return nil, err
	}
	all := &identities{byID: map[jmap.ID]*identity{}}
	view := c.s.c.Directory.View()
	info := view.Snapshot.Accounts[acc.Name()]
	if info == nil {
		return all, nil
	}
	h := sha256.New()
	for _, email := range configuredEmails(info, c.user.Login) {
		id := identityID(email)
		i := &identity{Name: info.Config.FullName}
		if s := stored[id]; s != nil {
			i = s
		}
		i.Email = email
		all.ids = append(all.ids, id)
		all.byID[id] = i
	}
	sorted := slices.Sorted(slices.Values(all.ids))
	for _, id := range sorted {
		h.Write([]byte(id))
	}
	h.Write([]byte(info.Config.FullName))
	all.configured = base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:6])
	var made []jmap.ID
	for id := range stored {
		if keptIdentities.madeAt(id) != 0 {
			made = append(made, id)
		}
	}
	slices.SortFunc(made, func(a, b jmap.ID) int { return int(keptIdentities.madeAt(a) - keptIdentities.madeAt(b)) })
	for _, id := range made {
		all.ids = append(all.ids, id)
		all.byID[id] = stored[id]
	}
	return all, nil
}

// state is that of identities: a ModSeq, and what the configuration has.
func (all *identities) state(acc *store.Account, seq store.ModSeq) string {
	return stateOf(acc, seq) + "-" + all.configured
}

// identityGet is Identity/get, RFC 8621 6.1.
func identityGet(ctx context.Context, c *call, a *getArgs) (*getResult, error) {
	props, err := properties(identityProperties, a.Properties)
	if err != nil {
		return nil, err
	}
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	seq := acc.ModSeq()
	all, err := c.identities(ctx, acc)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(a, acc, seq)
	if err != nil {
		return nil, err
	}
	res.State = all.state(acc, seq)
	if a.IDs == nil {
		ids = all.ids
	}
	return res, addKept(res, ids, all.byID, props)
}

// identityChanges is Identity/changes, RFC 8621 6.2.
func identityChanges(ctx context.Context, c *call, a *changesArgs) (*changesResult, error) {
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	seq := acc.ModSeq()
	all, err := c.identities(ctx, acc)
	if err != nil {
		return nil, err
	}
	if a.SinceState == nil {
		return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "sinceState is missing")
	}
	since, configured, _ := strings.Cut(*a.SinceState, "-")
	if configured != all.configured {
		return nil, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "addresses of the account have changed since, or it is no state")
	}
	plain := *a
	plain.SinceState = &since
	res, err := keptChanges(ctx, acc, keptIdentities, &plain, seq, func(id jmap.ID) bool { return all.byID[id] != nil })
	if err != nil {
		return nil, err
	}
	// What was said of an address that the account has no more is neither there nor was it.
	res.Destroyed = slices.DeleteFunc(res.Destroyed, func(id jmap.ID) bool { return keptIdentities.madeAt(id) == 0 })
	res.OldState, res.NewState = *a.SinceState, res.NewState+"-"+all.configured
	return res, nil
}

// identitySet is Identity/set, RFC 8621 6.3.
func identitySet(ctx context.Context, c *call, a *setArgs) (*setResult, error) {
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := c.identities(ctx, acc)
	if err != nil {
		return nil, err
	}
	plain := *a
	if a.IfInState != nil {
		// The rest of the state is compared as that of others is.
		since, configured, _ := strings.Cut(*a.IfInState, "-")
		if configured != all.configured {
			return nil, jmap.Errorf(jmap.ErrorStateMismatch, "the state is %s", all.state(acc, acc.ModSeq()))
		}
		plain.IfInState = &since
	}
	st, ctx, err := c.begin(ctx, &plain)
	if err != nil {
		return nil, err
	}
	for _, k := range a.creations() {
		if err := st.createIdentity(ctx, all, k, a.Create[k]); err != nil {
			st.notCreated(k, err)
		}
	}
	st.eachUpdate(a, func(_ string, id jmap.ID, p jmap.PatchObject) error { return st.updateIdentity(ctx, all, id, p) })
	st.eachDestroy(a, func(id jmap.ID) error {
		switch {
		case all.byID[id] == nil:
			return jmap.SetErrorf(jmap.SetNotFound, "there is no such identity")
		case keptIdentities.madeAt(id) == 0:
			return jmap.SetErrorf(jmap.SetForbidden, "the identity is an address of the account")
		}
		delete(all.byID, id)
		return changeKept(ctx, acc, keptIdentities, id, nil)
	})
	res := st.done()
	res.NewState += "-" + all.configured
	if res.OldState != nil {
		old := *res.OldState + "-" + all.configured
		res.OldState = &old
	}
	return res, nil
}

func (s *setting) createIdentity(ctx context.Context, all *identities, k jmap.ID, b json.RawMessage) error {
	var in identity
	if err := decodeObject(b, &in); err != nil {
		return err
	}
	made := 0
	for id := range all.byID {
		if keptIdentities.madeAt(id) != 0 {
			made++
		}
	}
	if made >= maxIdentities {
		return jmap.SetErrorf(jmap.SetOverQuota, "an account can have %d identities", maxIdentities)
	}
	if err := s.checkIdentity(&in); err != nil {
		return err
	}
	id, err := makeKept(ctx, s.acc, keptIdentities, &in)
	if err != nil {
		return err
	}
	all.ids, all.byID[id] = append(all.ids, id), &in
	object, err := in.object(id)
	if err != nil {
		return err
	}
	return s.createdObject(k, id, b, object)
}

// checkIdentity checks what a user says: that mail may be sent from the address, as submission checks it.
func (s *setting) checkIdentity(i *identity) error {
	view := s.s.c.Directory.View()
	email := i.Email
	if domain, ok := strings.CutPrefix(email, "*@"); ok {
		// Any address of the domain: nobody can have this one.
		email = "jmap-any-address@" + domain
	}
	a, err := smtp.ParseAddressLax(email)
	if err != nil {
		return jmap.InvalidProperty("email", "%.100q is not an address", i.Email)
	}
	if !view.MayUse(s.user.Account, a) {
		return jmap.SetErrorf(jmap.SetForbiddenFrom, "the account may not send from %.100q", i.Email)
	}
	for name, list := range map[string][]jmap.EmailAddress{"replyTo": i.ReplyTo, "bcc": i.BCC} {
		for _, in := range list {
			if _, ok, err := draftAddress(&in); err != nil || !ok || len(list) > 100 {
				return jmap.InvalidProperty(name, "%.100q is not an address, or there are too many", in.Email)
			}
		}
	}
	switch {
	case len(i.Name) > 1000:
		return jmap.InvalidProperty("name", "it is longer than 1000 octets")
	case len(i.TextSignature) > maxSignature:
		return jmap.InvalidProperty("textSignature", "it is longer than %d octets", maxSignature)
	case len(i.HTMLSignature) > maxSignature:
		return jmap.InvalidProperty("htmlSignature", "it is longer than %d octets", maxSignature)
	}
	if _, err := displayName(&i.Name); err != nil {
		return jmap.InvalidProperty("name", "%v", err)
	}
	return nil
}

func (s *setting) updateIdentity(ctx context.Context, all *identities, id jmap.ID, p jmap.PatchObject) error {
	i := all.byID[id]
	if i == nil {
		return jmap.SetErrorf(jmap.SetNotFound, "there is no such identity")
	}
	before, err := i.object(id)
	if err != nil {
		return err
	}
	after, err := p.Apply(before)
	if err != nil {
		return err
	}
	if err := keepProperties(before, after, "id", "email", "mayDelete"); err != nil {
		return err
	}
	delete(after, "id")
	delete(after, "mayDelete")
	b, err := json.Marshal(after)
	if err != nil {
		return err
	}
	var in identity
	if err := decodeObject(b, &in); err != nil {
		return err
	}
	if err := s.checkIdentity(&in); err != nil {
		return err
	}
	if err := changeKept(ctx, s.acc, keptIdentities, id, &in); err != nil {
		return err
	}
	all.byID[id] = &in
	s.updated(id, nil)
	return nil
}
