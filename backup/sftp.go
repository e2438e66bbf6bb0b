package backup

import (
	"context"
	"io"

	"mox/sftp"
)

// sftpStorage keeps objects as files on another machine.
type sftpStorage struct{ *sftp.Client }

// SFTP returns a Storage that keeps objects as files below the directory of an SFTP client, which
// it makes.
func SFTP(c *sftp.Client) Storage { return sftpStorage{c} }

func (s sftpStorage) List(ctx context.Context, prefix string, f func(Object) error) error {
	return s.Client.List(ctx, prefix, func(name string, size int64) error { return f(Object{name, size}) })
}

// disconnect ends the connection of a storage that has one. It is made again when it is needed.
func disconnect(s Storage) {
	if c, ok := s.(io.Closer); ok {
		c.Close()
	}
}
