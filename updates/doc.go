// Package updates has the feed of releases: how a server hears that there is a newer version, by
// whom it was released, and how it gets the program.
//
// A feed is three things: a TXT record at _updates.<domain> with the newest version
// ([ParseRecord]), a changelog that is fetched over HTTPS ([ParseChangelog]), and one or more
// Ed25519 public keys that whoever follows the feed was given by another way. DNS and
// web server need not be trusted: they can keep a release back, but not make one.
//
// # Changelog
//
// JSON, at most [MaxChangelog] bytes, an entry for each release:
//
//	{"Entries": [{
//		"Release": "{\"Type\":\"mox-release\",\"Version\":\"v1.2.3\",\"Date\":\"2026-11-22\",\"Text\":\"...\",\"Files\":[...]}",
//		"Signatures": [{"PublicKey": "base64", "Signature": "base64"}]
//	}]}
//
// What is signed are the bytes of the string Release, as they are once the JSON around them is
// decoded, so that nothing depends on how JSON is written. They are JSON themselves: [Release].
// Programs are named there with size and SHA-256, for a platform each, and are fetched from a path
// relative to the changelog. Several signatures are for the time in which one key follows another.
// Entries that no known key has signed, or of a newer format, are passed over.
//
// # Parts
//
// [Client] looks up, fetches and downloads. [Watcher] asks once a day and has its owner told, once for
// each version; its file has the last version that was told of, and the time of its last change is
// that of the last check. [Handler] is the web server of a feed.
//
// Versions are those of Semantic Versioning 2.0.0, with or without a "v" before them.
//
// Nothing here keeps state but the Watcher's file. [Watcher.Run] is the only goroutine that
// belongs here, its owner's.
package updates
