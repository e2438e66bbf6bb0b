package config

import (
	"net/url"
	"strings"
	"time"

	"mox/sconf"
	"mox/sftp"
)

// checkBackup checks where backups go, and when.
func (c *checker) checkBackup(p sconf.Path, b *Backup) {
	c.repository(p, b)
	if b.KeyFile != "" {
		c.readFile(p.Key("KeyFile"), b.KeyFile)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"Interval", b.Interval}, {"DrillInterval", b.DrillInterval}} {
		if d.d != 0 && d.d < time.Minute {
			c.errorf(p.Key(d.name), "must be at least a minute")
		}
	}
	for _, k := range []struct {
		name string
		n    int
	}{{"KeepDaily", b.KeepDaily}, {"KeepWeekly", b.KeepWeekly}, {"KeepMonthly", b.KeepMonthly}, {"KeepYearly", b.KeepYearly}} {
		if k.n < 0 {
			c.errorf(p.Key(k.name), "must not be negative")
		}
	}
}

// repository checks where it is, and what is needed to get there.
func (c *checker) repository(p sconf.Path, b *Backup) {
	kind, _, remote := strings.Cut(b.Repository, "://")
	switch {
	case !remote:
		c.filePath(p.Key("Repository"), b.Repository)
		c.noUse(p, "a directory", b.Region != "" || b.AccessKeyFile != "" || b.SSHKeyFile != "" || len(b.HostKeys) > 0, "Region, AccessKeyFile, SSHKeyFile and HostKeys")
	case kind == "sftp":
		c.noUse(p, "one by SFTP", b.Region != "" || b.AccessKeyFile != "", "Region and AccessKeyFile")
		c.sftpRepository(p, b)
	default:
		c.noUse(p, "an object store", b.SSHKeyFile != "" || len(b.HostKeys) > 0, "SSHKeyFile and HostKeys")
		if u, err := url.Parse(b.Repository); err != nil {
			c.errorf(p.Key("Repository"), "%v", err)
		} else if kind != "s3" && kind != "s3+http" || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.User != nil || u.RawQuery != "" {
			c.errorf(p.Key("Repository"), "must be a directory, s3://host/bucket/prefix or sftp://user@host/directory")
		} else {
			c.readFile(p.Key("AccessKeyFile"), b.AccessKeyFile)
		}
	}
}

func (c *checker) noUse(p sconf.Path, kind string, given bool, fields string) {
	if given {
		c.warnf(p.Key("Repository"), "is %s: %s are of no use", kind, fields)
	}
}

func (c *checker) sftpRepository(p sconf.Path, b *Backup) {
	at, err := sftp.ParseURL(b.Repository)
	if err != nil {
		c.errorf(p.Key("Repository"), "%v", err)
		return
	}
	if b.SSHKeyFile == "" {
		c.errorf(p.Key("SSHKeyFile"), "is needed for SFTP: \"mox backup sshkey FILE\" makes one")
	} else if file, ok := c.readFile(p.Key("SSHKeyFile"), b.SSHKeyFile); ok {
		if _, err := sftp.ParseKey(file); err != nil {
			c.errorf(p.Key("SSHKeyFile"), "%v", err)
		}
	}
	if len(b.HostKeys) == 0 {
		c.errorf(p.Key("HostKeys"), "is needed for SFTP: \"mox backup hostkeys %s\" prints the keys that the server shows; compare them with what its operator says", at.Address())
	} else if _, err := sftp.ParseHostKeys(b.HostKeys); err != nil {
		c.errorf(p.Key("HostKeys"), "%v", err)
	}
}
