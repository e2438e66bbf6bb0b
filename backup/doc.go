// Package backup makes backups while the server works, keeps them, proves that they can be
// restored, and gives back what is in them.
//
// A [Source] sends files to a [Sink]: databases as they are at one moment (db.Pages), other
// files as they are. Sinks are [Dir], a copy in a directory with a manifest of checksums;
// [Encoder], which with [Decode] brings the files to another process, as the server may open
// nothing outside of its own directories; and a [Repository], in [Repository.Run].
//
// # Order
//
// The queue is read first, then other databases, then accounts, of each what follows its change
// log before its mail: see [Source.Send] for why.
//
// # Repositories
//
// Objects of a [Storage]: a directory, here or by SFTP on another machine, or an S3-compatible store:
//
//	mox-repository.json    version, salt, and a sealed text by which a wrong key is known
//	packs/xx/NAME          chunks of up to 64 KiB, each compressed and sealed; 8 MiB together
//	index/NAME             JSON: which chunks are in which packs, in order
//	snapshots/TIME-NAME    JSON: files, each with names of chunks that have names of chunks
//	replica/               of package replica; objects "base" name chunks too
//	locks/NAME             JSON: who uses the repository, renewed every ten minutes
//	reread                 JSON: when a check found content damaged: later runs read all
//
// All but the first are sealed: encrypted with XChaCha20-Poly1305, or without key with a
// checksum; what is sealed is bound to its name. Chunks are named by SHA-256 of their content,
// with a key by HMAC-SHA256.
//
// Objects are written in the order of packs, index, snapshot, and never change but for locks. Removing goes the other
// way round, with an exclusive lock: snapshots, then old indexes after a new one, then packs. So
// a crash leaves at worst packs that nobody needs.
//
// # Files
//
// In the data directory: backup/last.json and backup/drill.json, outcomes of the last backups and
// drills; tmp/drill-*, in which a drill restores.
//
// # Goroutines
//
// A lock that is held has one that renews it. [Manager.Run] is run by who has made the Manager.
//
// # Lock order
//
// Manager.work or Drill.run, held while a backup or drill is made; then Manager.mu, Drill.mu,
// which are leaves.
package backup
