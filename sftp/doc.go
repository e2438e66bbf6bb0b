// Package sftp keeps files on another machine, by the SSH File Transfer Protocol, version 3
// (draft-ietf-secsh-filexfer-02), which OpenSSH and most providers of storage speak.
//
// A [Client] has files below one directory: it writes whole files, reads parts of them, lists and
// removes. The connection is made when it is needed, made again when it breaks, and ended when it is not used for a
// while. SSH is that of golang.org/x/crypto/ssh, the protocol that of github.com/pkg/sftp.
//
// # Who is at the other end
//
// Host keys are pinned ([HostKeys]): none is ever believed because it was seen first. We are known by a
// key ([Key]); there are no passwords.
//
// # What is durable
//
// A file is written under a temporary name, "NAME.xxxxxxxxxxxxxxxx.tmp", synced (fsync@openssh.com), and
// renamed over the old one (posix-rename@openssh.com); then its directory is synced, which works with
// OpenSSH on systems where directories can be opened. Servers that lack an extension do without. Temporary
// files that broken connections have left are removed after two days, by List.
//
// # Bounds
//
// A file is read or written with at most 64 requests of 32 KiB under way, 2 MiB, so that a link of 50 ms carries
// tens of megabytes a second. A read or write of the connection that takes 45 s ends it; as a
// keepalive@openssh.com is sent every 15 s, a peer that is gone is found so. An operation has 5 minutes, and a
// second more for each 16 KiB.
//
// # Goroutines
//
// A connection has one that keeps it alive and ends it when it was not used for a minute, beside those of the
// libraries; they end with it. [Client.Close] waits for it.
//
// # Lock order
//
// Client.dialing, held while a connection is made; then Client.mu, a leaf.
package sftp
