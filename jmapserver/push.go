package jmapserver

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/jmap"
	"mox/store"
	"mox/webpush"
)

// keptPush are push subscriptions.
var keptPush = kept{"jmap/push/", "P"}

// pushProperties are those of RFC 8620 7.2 that are ever told.
var pushProperties = []string{"id", "deviceClientId", "verificationCode", "expires", "types"}

// Bounds of push subscriptions.
const (
	maxPush        = 50 // of an account
	maxPushURL     = 2000
	maxDeviceID    = 256
	maxPushTypes   = 100
	maxPushType    = 100
	maxPushExpiry  = 30 * 24 * time.Hour // RFC 8620 7.2: at least 48 hours, better 7 days
	maxPushCreated = 100                 // made for an account in an hour, each of which is a request to a server that did not ask for it
)

// pushObject is a PushSubscription as clients send it.
type pushObject struct {
	DeviceClientID   string        `json:"deviceClientId"`
	URL              string        `json:"url"`
	Keys             *webpush.Keys `json:"keys"`
	VerificationCode *string       `json:"verificationCode"`
	Expires          *jmap.UTCDate `json:"expires"`
	Types            *[]string     `json:"types"` // nil: all
}

// pushSubscription is what is kept of one.
type pushSubscription struct {
	pushObject // VerificationCode: the one that was made; Expires is always there
	// Login and Credential are who made it, as of auth.
	Login, Credential string
	Asked             bool // the code was pushed, or the push service has refused it
	Verified          bool // the code came back
}

// object is the subscription with all properties. A code that was not given back is not told.
func (p *pushSubscription) object(id jmap.ID) (map[string]json.RawMessage, error) {
	shown := p.pushObject
	if !p.Verified {
		shown.VerificationCode = nil
	}
	o, err := asObject(&shown)
	if err != nil {
		return nil, err
	}
	o["id"], err = json.Marshal(id)
	return o, err
}

// public is the object without what is never told.
func (p *pushSubscription) public(id jmap.ID) (map[string]json.RawMessage, error) {
	o, err := p.object(id)
	if err != nil {
		return nil, err
	}
	delete(o, "url")
	delete(o, "keys")
	return o, nil
}

// wants tells whether changes of a type are to be told.
func (p *pushSubscription) wants(typ string) bool {
	return p.Types == nil || slices.Contains(*p.Types, typ)
}

// check checks what a client sent, apart from the times. public tells whether an address may be called; nil: any.
func (p *pushObject) check(public func(netip.Addr) bool) error {
	switch {
	case p.DeviceClientID == "":
		return jmap.InvalidProperty("deviceClientId", "it is missing or empty")
	case len(p.DeviceClientID) > maxDeviceID:
		return jmap.InvalidProperty("deviceClientId", "it is longer than %d octets", maxDeviceID)
	}
	if err := checkPushURL(p.URL, public); err != nil {
		return err
	}
	if p.Keys != nil {
		if err := p.Keys.Check(); err != nil {
			return jmap.InvalidProperty("keys", "%v", err)
		}
	}
	return p.checkTypes()
}

func (p *pushObject) checkTypes() error {
	if p.Types == nil {
		return nil
	}
	if len(*p.Types) > maxPushTypes {
		return jmap.InvalidProperty("types", "there are more than %d", maxPushTypes)
	}
	for _, t := range *p.Types {
		if t == "" || len(t) > maxPushType {
			return jmap.InvalidProperty("types", "%.100q is not the name of a type", t)
		}
	}
	return nil
}

// checkPushURL refuses what is no URL of a push service. Names are looked up, and their addresses checked, when they are called.
func checkPushURL(s string, public func(netip.Addr) bool) error {
	bad := func(format string, args ...any) error { return jmap.InvalidProperty("url", format, args...) }
	if len(s) > maxPushURL {
		return bad("it is longer than %d octets", maxPushURL)
	}
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "https://") || u.Hostname() == "" {
		return bad(`it is not an absolute URL that begins with "https://"`)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return bad("%.20q is no port", port)
		}
	}
	if u.User != nil || u.Fragment != "" {
		return bad("it has a user name or a fragment")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && public != nil && !public(a) {
		return bad("%s is not a public address", u.Hostname())
	}
	return nil
}

// expiry is when a subscription ends for what a client asked for.
func expiry(asked *jmap.UTCDate, now time.Time) (*jmap.UTCDate, error) {
	last := now.Add(maxPushExpiry).UTC().Truncate(time.Second)
	switch {
	case asked == nil || asked.After(last):
		return &jmap.UTCDate{Time: last}, nil
	case !asked.After(now):
		return nil, jmap.InvalidProperty("expires", "it is in the past")
	}
	return asked, nil
}

// pushes are the subscriptions that the credentials of a call have made.
type pushes struct {
	acc        *store.Account
	credential string // "": these have none
	own        map[jmap.ID]*pushSubscription
	all        int // of all credentials
}

// pushes reads the subscriptions.
func (c *call) pushes(ctx context.Context) (*pushes, error) {
	acc, err := c.account(ctx, accountID(c.user.Account))
	if err != nil {
		return nil, err
	}
	p := &pushes{acc: acc, own: map[jmap.ID]*pushSubscription{}}
	if c.s.c.Pushes == nil || c.user.Page {
		return p, nil
	}
	if p.credential, err = c.s.c.Pushes.c.Credentials.CredentialName(ctx, c.user.Account, c.user.Token); err != nil {
		return nil, err
	}
	all, err := readKept[pushSubscription](ctx, acc, keptPush)
	if err != nil {
		return nil, err
	}
	now := c.s.c.Now()
	for id, s := range all {
		if !s.Expires.After(now) {
			continue
		}
		p.all++
		if p.credential != "" && s.Credential == p.credential && s.Login == c.user.Login {
			p.own[id] = s
		}
	}
	if len(all) > 0 {
		c.s.c.Pushes.follow(acc.Name()) // if it came from a backup, it was not
	}
	return p, nil
}

// pushGetArgs are those of PushSubscription/get: RFC 8620 7.2.1.
type pushGetArgs struct {
	IDs        *[]string `json:"ids"`
	Properties *[]string `json:"properties"`
}

type pushGetResult struct {
	List     []any    `json:"list"`
	NotFound []string `json:"notFound"`
}

// pushGet is PushSubscription/get, RFC 8620 7.2.1.
func pushGet(ctx context.Context, c *call, a *pushGetArgs) (*pushGetResult, error) {
	if a.Properties != nil && (slices.Contains(*a.Properties, "url") || slices.Contains(*a.Properties, "keys")) {
		return nil, jmap.Errorf(jmap.ErrorForbidden, "url and keys are private to the device and never told")
	}
	props, err := properties(pushProperties, a.Properties)
	if err != nil {
		return nil, err
	}
	p, err := c.pushes(ctx)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(&getArgs{IDs: a.IDs}, p.acc, 0)
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		for id := range p.own {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b jmap.ID) int { return int(keptPush.madeAt(a) - keptPush.madeAt(b)) })
	}
	if err := addKept(res, ids, p.own, props); err != nil {
		return nil, err
	}
	return &pushGetResult{res.List, res.NotFound}, nil
}

// pushSetArgs are those of PushSubscription/set: RFC 8620 7.2.2.
type pushSetArgs struct {
	Create  map[jmap.ID]json.RawMessage `json:"create"`
	Update  map[string]jmap.PatchObject `json:"update"`
	Destroy []string                    `json:"destroy"`
}

// pushSet is PushSubscription/set, RFC 8620 7.2.2.
func pushSet(ctx context.Context, c *call, a *pushSetArgs) (*setOutcome, error) {
	p, err := c.pushes(ctx)
	if err != nil {
		return nil, err
	}
	plain := &setArgs{AccountID: accountID(c.user.Account), Create: a.Create, Update: a.Update, Destroy: a.Destroy}
	st, ctx, err := c.begin(ctx, plain)
	if err != nil {
		return nil, err
	}
	for _, k := range plain.creations() {
		if err := st.createPush(ctx, p, k, a.Create[k]); err != nil {
			st.notCreated(k, err)
		}
	}
	st.eachUpdate(plain, func(_ string, id jmap.ID, patch jmap.PatchObject) error { return st.updatePush(ctx, p, id, patch) })
	st.eachDestroy(plain, func(id jmap.ID) error {
		if p.own[id] == nil {
			return errNoPush()
		}
		delete(p.own, id)
		return changeKept(ctx, p.acc, keptPush, id, nil)
	})
	return &st.res.setOutcome, nil
}

func errNoPush() error { return jmap.SetErrorf(jmap.SetNotFound, "there is no such push subscription") }

func (s *setting) createPush(ctx context.Context, p *pushes, k jmap.ID, b json.RawMessage) error {
	if p.credential == "" {
		return jmap.SetErrorf(jmap.SetForbidden, "push subscriptions are for programs that log in with a password or token")
	}
	sub := &pushSubscription{Login: s.user.Login, Credential: p.credential}
	if err := decodeObject(b, &sub.pushObject); err != nil {
		return err
	}
	if sub.VerificationCode != nil {
		return jmap.InvalidProperty("verificationCode", "it is pushed to the URL, and given back by an update")
	}
	pushes := s.s.c.Pushes
	if err := sub.check(pushes.c.Public); err != nil {
		return err
	}
	now := s.s.c.Now()
	var err error
	if sub.Expires, err = expiry(sub.Expires, now); err != nil {
		return err
	}
	if p.all >= maxPush {
		return jmap.SetErrorf(jmap.SetOverQuota, "an account can have %d push subscriptions", maxPush)
	}
	if !pushes.mayCreate(p.acc.Name(), now) {
		return jmap.SetErrorf(jmap.SetRateLimit, "an account can make %d push subscriptions in an hour", maxPushCreated)
	}
	// RFC 8620 7.2.2: one that cannot be guessed.
	code := rand.Text()
	sub.VerificationCode = &code
	id, err := makeKept(ctx, s.acc, keptPush, sub)
	if err != nil {
		return err
	}
	p.all, p.own[id] = p.all+1, sub
	pushes.follow(p.acc.Name())
	object, err := sub.public(id)
	if err != nil {
		return err
	}
	if sub.Keys == nil {
		object["keys"] = json.RawMessage("null")
	}
	return s.createdObject(k, id, b, object)
}

func (s *setting) updatePush(ctx context.Context, p *pushes, id jmap.ID, patch jmap.PatchObject) error {
	if p.own[id] == nil {
		return errNoPush()
	}
	var answer map[string]any
	var now *pushSubscription
	err := p.acc.UpdateSetting(ctx, keptPush.name(id), func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, errNoPush()
		}
		now = &pushSubscription{}
		if err := json.Unmarshal(old, now); err != nil {
			return nil, err
		}
		var err error
		if answer, err = now.update(id, patch, s.s.c.Now()); err != nil {
			return nil, err
		}
		return json.Marshal(now)
	})
	if err != nil {
		return err
	}
	p.own[id] = now
	if answer == nil {
		s.updated(id, nil)
	} else {
		s.updated(id, answer)
	}
	return nil
}

// update changes a subscription as a client asks, and returns what became otherwise than that; nil: nothing.
func (p *pushSubscription) update(id jmap.ID, patch jmap.PatchObject, now time.Time) (map[string]any, error) {
	before, err := p.object(id)
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply(before)
	if err != nil {
		return nil, err
	}
	if err := keepProperties(before, after, "id", "deviceClientId", "url", "keys"); err != nil {
		return nil, err
	}
	delete(after, "id")
	b, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	var in pushObject
	if err := decodeObject(b, &in); err != nil {
		return nil, err
	}
	if err := in.checkTypes(); err != nil {
		return nil, err
	}
	if !sameJSON(before["verificationCode"], after["verificationCode"]) {
		if in.VerificationCode == nil || subtle.ConstantTimeCompare([]byte(*in.VerificationCode), []byte(*p.VerificationCode)) == 0 {
			return nil, jmap.InvalidProperty("verificationCode", "it is not the code that was pushed to the URL")
		}
		p.Verified = true
	}
	p.Types = in.Types
	if sameJSON(before["expires"], after["expires"]) {
		return nil, nil
	}
	if p.Expires, err = expiry(in.Expires, now); err != nil {
		return nil, err
	}
	if in.Expires == nil || !in.Expires.Equal(p.Expires.Time) {
		return map[string]any{"expires": p.Expires}, nil
	}
	return nil, nil
}
