package config

import (
	"net/url"
	"strings"
	"time"

	"mox/sconf"
)

// checkBackup checks where backups go, and when.
func (c *checker) checkBackup(p sconf.Path, b *Backup) {
	if !strings.Contains(b.Repository, "://") {
		c.filePath(p.Key("Repository"), b.Repository)
		if b.AccessKeyFile != "" || b.Region != "" {
			c.warnf(p.Key("Repository"), "is a directory: Region and AccessKeyFile are of no use")
		}
	} else if u, err := url.Parse(b.Repository); err != nil {
		c.errorf(p.Key("Repository"), "%v", err)
	} else if u.Scheme != "s3" && u.Scheme != "s3+http" || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.User != nil || u.RawQuery != "" {
		c.errorf(p.Key("Repository"), "must be a directory, or s3://host/bucket/prefix")
	} else {
		c.readFile(p.Key("AccessKeyFile"), b.AccessKeyFile)
	}
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
