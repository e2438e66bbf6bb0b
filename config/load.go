package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/dns"
	"mox/sconf"
)

// Options are for loading.
type Options struct {
	// ReadFile reads the files that fields name (keys, certificates), for a process that
	// got them opened by another. Nil is os.ReadFile. The configuration files themselves
	// are always read from disk.
	ReadFile func(path string) ([]byte, error)

	// SkipFiles leaves those files unread, so keys and certificates are missing in the
	// Snapshot. For commands that only want to know what is configured.
	SkipFiles bool

	// Environ is the environment, from which fields of mox.conf may be set: see
	// [EnvPrefix]. Nil is os.Environ.
	Environ func() []string

	// Now is for warnings about expired certificates. Nil is time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Environ == nil {
		o.Environ = os.Environ
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// EnvPrefix is before the names of environment variables that set a field of mox.conf, over what
// is in the file. Behind it is the path of the field with two underscores between names:
// MOX_CONF_LogLevel, MOX_CONF_Listeners__public__Hostname. Items of lists are separated by commas.
const EnvPrefix = "MOX_CONF_"

// DynamicName is the name of the dynamic file, in the directory of the static one.
const DynamicName = "domains.conf"

// Load reads and checks mox.conf at path and domains.conf beside it, and the keys and
// certificates they name. An error for what is in the files is [sconf.Errors], with
// all problems found.
func Load(path string) (*Snapshot, error) {
	return LoadOptions(path, Options{})
}

// LoadOptions is Load with options.
func LoadOptions(path string, opts Options) (*Snapshot, error) {
	static, err := loadStatic(path, opts)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(static.dynamicPath())
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return static.snapshot(data)
}

// staticFile is mox.conf, checked as far as that is possible alone.
type staticFile struct {
	path string
	opts Options
	conf *Static
	info *StaticInfo
	doc  *sconf.Doc
	errs sconf.Errors // To be reported together with those of domains.conf.
	warn sconf.Errors
}

func (s *staticFile) dynamicPath() string {
	return filepath.Join(filepath.Dir(s.path), DynamicName)
}

func loadStatic(path string, opts Options) (*staticFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	s := &staticFile{path: path, opts: opts.withDefaults(), conf: &Static{}}
	s.doc, err = sconf.Parse(data, path, s.conf)
	if err != nil {
		return nil, err
	}
	if err := s.setFromEnviron(); err != nil {
		return nil, err
	}
	c := checker{doc: s.doc, opts: s.opts, dir: filepath.Dir(path)}
	s.info = c.checkStatic(s.conf)
	sortByLine(c.errs)
	s.errs, s.warn = c.errs, c.warnings
	return s, nil
}

// setFromEnviron sets the fields that the environment has.
func (s *staticFile) setFromEnviron() error {
	vars := slices.Sorted(slices.Values(s.opts.Environ()))
	var errs sconf.Errors
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		field, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok {
			continue
		}
		if err := s.doc.Set(s.conf, strings.Split(field, "__"), value, "environment variable "+name); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// CheckStatic reads and checks mox.conf alone, and what it needs of domains.conf not.
func CheckStatic(path string, opts Options) (*Static, *StaticInfo, error) {
	s, err := loadStatic(path, opts)
	if err != nil {
		return nil, nil, err
	}
	if len(s.errs) > 0 {
		return nil, nil, s.errs
	}
	return s.conf, s.info, nil
}

// snapshot builds the whole from the text of domains.conf.
func (s *staticFile) snapshot(data []byte) (*Snapshot, error) {
	dynPath := s.dynamicPath()
	conf := &Dynamic{}
	doc, err := sconf.Parse(data, dynPath, conf)
	if errs, ok := err.(sconf.Errors); ok {
		return nil, append(slices.Clone(s.errs), errs...)
	} else if err != nil {
		return nil, err
	}
	snap := &Snapshot{
		Path: s.path, DynamicPath: dynPath, Static: s.conf, Dynamic: conf, StaticInfo: s.info,
		Domains: map[string]*DomainInfo{}, Accounts: map[string]*AccountInfo{},
		addresses: map[AddressKey]*DestinationInfo{}, aliases: map[AddressKey]*AliasInfo{},
	}
	c := dynamicChecker{checker{doc: doc, opts: s.opts, dir: filepath.Dir(dynPath)}, s.conf, conf, snap}
	sc := checker{doc: s.doc, opts: s.opts}
	c.check(&sc)
	staticErrs := slices.Concat(s.errs, sc.errs)
	sortByLine(staticErrs)
	sortByLine(c.errs)
	if errs := append(staticErrs, c.errs...); len(errs) > 0 {
		return nil, errs
	}
	snap.Warnings = slices.Concat(s.warn, c.warnings)
	return snap, nil
}

// check does everything in an order in which each step has what it needs.
func (c *dynamicChecker) check(sc *checker) {
	root := sconf.Path(nil)
	for _, name := range sorted(c.conf.Domains) {
		c.checkDomain(root.Key("Domains", name), name)
	}
	for _, name := range sorted(c.conf.Accounts) {
		c.checkAccount(root.Key("Accounts", name), name)
	}
	c.addReports()
	c.checkStaticAccounts(sc)
	for _, name := range sorted(c.snap.Domains) {
		c.checkAliases(root.Key("Domains", name, "Aliases"), c.snap.Domains[name])
	}
	c.markReportsOnly()
	c.snap.Routes = c.checkRoutes(root.Key("Routes"), c.conf.Routes)
	c.checkWeb()
	c.snap.MonitorDNSBLs = c.domains(root.Key("MonitorDNSBLs"), c.conf.MonitorDNSBLs)
	c.snap.TrustedARCSealers = c.domains(root.Key("TrustedARCSealers"), c.conf.TrustedARCSealers)
}

func sortByLine(errs sconf.Errors) {
	slices.SortStableFunc(errs, func(a, b *sconf.Error) int { return a.Line - b.Line })
}

// checkStaticAccounts checks what mox.conf says about accounts.
func (c *dynamicChecker) checkStaticAccounts(sc *checker) {
	root := sconf.Path(nil)
	known(sc, root.Key("Postmaster", "Account"), "account", c.static.Postmaster.Account, c.conf.Accounts)
	for _, name := range sorted(c.static.Relay) {
		for i, account := range c.static.Relay[name].Accounts {
			known(sc, root.Key("Relay", name, "Accounts").Index(i), "account", account, c.conf.Accounts)
		}
	}
	if t := c.static.HostTLSRPT; t != nil {
		p := root.Key("HostTLSRPT")
		known(sc, p.Key("Account"), "account", t.Account, c.conf.Accounts)
		if dest := c.reportDestination(sc, p, c.snap.StaticInfo.HostTLSRPT); dest != nil {
			dest.HostTLSReports = true
		}
	}
}

// IsOwnIP tells whether an address is one a listener has or is reached by.
func (s *StaticInfo) IsOwnIP(ip netip.Addr) bool {
	return s.OwnIPs[ip.Unmap().WithZone("")]
}

// IsHostname tells whether a name is the host's own: the global one or a listener's.
func (s *StaticInfo) IsHostname(d dns.Domain) bool {
	return s.Hostnames[d]
}
