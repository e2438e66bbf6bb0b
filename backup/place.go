package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"mox/sftp"
)

// Place says where a repository is and how to get at it, as the configuration and flags do.
type Place struct {
	// Repository is an absolute directory; s3://host[:port]/bucket[/prefix], or s3+http:// for a
	// store without TLS; or sftp://user@host[:port]/directory.
	Repository string
	Region     string // of an object store
	// AccessKeyFile has the id of an access key and its secret, a line each. Empty: environment
	// variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
	AccessKeyFile string
	SSHKeyFile    string   // with the private key for SFTP
	HostKeys      []string // of the SFTP server, as sftp.ParseHostKeys reads them
	KeyFile       string   // with the key of an encrypted repository; empty: not encrypted
}

// IsDirectory tells whether the repository is in a directory.
func (p Place) IsDirectory() bool { return !strings.Contains(p.Repository, "://") }

// Storage returns the storage of the repository.
func (p Place) Storage() (Storage, error) {
	if p.Repository == "" {
		return nil, errors.New("no repository is given")
	}
	if p.IsDirectory() {
		if !filepath.IsAbs(p.Repository) {
			return nil, fmt.Errorf("repository %q: must be an absolute directory, or an s3:// or sftp:// URL", p.Repository)
		}
		return Directory(p.Repository), nil
	}
	if strings.HasPrefix(p.Repository, "sftp:") {
		return p.sftp()
	}
	u, err := url.Parse(p.Repository)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	s := &S3{Region: p.Region}
	switch u.Scheme {
	case "s3":
		s.Endpoint = "https://" + u.Host
	case "s3+http":
		s.Endpoint = "http://" + u.Host
	default:
		return nil, fmt.Errorf("repository %q: neither a directory nor s3://, s3+http:// or sftp://", p.Repository)
	}
	s.Bucket, s.Prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if s.Prefix != "" {
		s.Prefix += "/"
	}
	if u.Host == "" || s.Bucket == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("repository: must be s3://host/bucket/prefix, without anything else")
	}
	s.AccessKey, s.SecretKey, err = p.accessKey()
	return s, err
}

func (p Place) accessKey() (id, secret string, err error) {
	if p.AccessKeyFile == "" {
		id, secret = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
		if id == "" || secret == "" {
			err = errors.New("repository: no access key: neither a file with one, nor in the environment")
		}
		return id, secret, err
	}
	f, err := os.Open(p.AccessKeyFile)
	if err != nil {
		return "", "", fmt.Errorf("access key: %w", err)
	}
	defer f.Close()
	var lines []string
	for sc := bufio.NewScanner(f); sc.Scan() && len(lines) < 2; {
		if t := strings.TrimSpace(sc.Text()); t != "" {
			lines = append(lines, t)
		}
	}
	if len(lines) < 2 {
		return "", "", fmt.Errorf("access key: %s must have two lines, the id of the key and its secret", p.AccessKeyFile)
	}
	return lines[0], lines[1], nil
}

// sftp is a directory of another machine.
func (p Place) sftp() (Storage, error) {
	at, err := sftp.ParseURL(p.Repository)
	if err != nil {
		return nil, fmt.Errorf("repository %w", err)
	}
	if p.SSHKeyFile == "" {
		return nil, errors.New("repository: SFTP needs a file with an SSH key: \"mox backup sshkey\" makes one")
	}
	file, err := os.ReadFile(p.SSHKeyFile)
	if err != nil {
		return nil, fmt.Errorf("SSH key: %w", err)
	}
	key, err := sftp.ParseKey(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.SSHKeyFile, err)
	}
	hosts, err := sftp.ParseHostKeys(p.HostKeys)
	if err != nil {
		return nil, err
	}
	return SFTP(sftp.New(sftp.Config{Place: at, Key: key, HostKeys: hosts})), nil
}

// Open opens the repository; where there is none, it is made if create is set.
func (p Place) Open(ctx context.Context, create bool) (*Repository, error) {
	s, err := p.Storage()
	if err != nil {
		return nil, err
	}
	key, err := ReadKey(p.KeyFile)
	if err != nil {
		return nil, err
	}
	open := OpenRepository
	if create {
		open = OpenOrCreate
	}
	r, err := open(ctx, s, key)
	if err != nil {
		disconnect(s)
	}
	return r, err
}
