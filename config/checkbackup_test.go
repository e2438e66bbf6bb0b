package config

import (
	"strings"
	"testing"

	"mox/sftp"
)

func TestBackupErrors(t *testing.T) {
	file, err := sftp.NewKey("")
	check(t, err)
	key, err := sftp.ParseKey(file)
	check(t, err)
	static := minimalStatic + "Backup:\n\tRepository: sftp://u@host:23/mox\n\tSSHKeyFile: sshkey\n\tHostKeys:\n\t\t- " + key.Authorized() + "\n"
	repository := "Repository: sftp://u@host:23/mox"
	runErrorTests(t, static, minimalDynamic, []errorTest{
		e(repository, "Repository: sftp://u@host:23/~/mox"),
		e(repository, "Repository: sftp://host/mox§", "Backup.Repository: has no user: must be sftp://user@host/directory or sftp://user@host:port/directory"),
		e(repository, "Repository: ftp://u@host/mox§", "Backup.Repository: must be a directory, s3://host/bucket/prefix or sftp://user@host/directory"),
		e("SSHKeyFile: sshkey", "SSHKeyFile: s3key§", "Backup.SSHKeyFile: no private SSH key: ssh: no key found"),
		e("SSHKeyFile: sshkey", "SSHKeyFile: none§", "Backup.SSHKeyFile: reading file: open none: no such file or directory"),
		e("HostKeys:\n\t\t- "+key.Authorized(), "HostKeys:§\n\t\t- nonsense", "Backup.HostKeys: host key \"nonsense\": must be like \"ssh-ed25519 AAAA...\", a line of known_hosts, or \"SHA256:...\""),
	})
	_, err = Load(makeDir(t, minimalStatic+"Backup:\n\tRepository: sftp://u@host:23/mox\n", minimalDynamic))
	for _, want := range []string{"\"mox backup sshkey FILE\" makes one", "\"mox backup hostkeys host:23\" prints the keys that the server shows; compare them"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	s, err := Load(makeDir(t, minimalStatic+"Backup:\n\tRepository: ../there\n\tSSHKeyFile: sshkey\n", minimalDynamic))
	if err != nil || len(s.Warnings) == 0 || !strings.Contains(s.Warnings[len(s.Warnings)-1].Msg, "is a directory: Region") {
		t.Errorf("%+v, %v", s, err)
	}
}
