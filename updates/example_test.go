package updates_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"

	"mox/updates"
)

// A release is signed by who makes it, and verified by who knows the public key.
func ExampleSign() {
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{1}, ed25519.SeedSize))
	entry, err := updates.Sign(updates.Release{Version: "v1.2.3", Date: "2026-11-22", Text: "Faster.\n"}, key)
	if err != nil {
		panic(err)
	}
	published, err := json.Marshal(updates.Changelog{Entries: []updates.Entry{entry}})
	if err != nil {
		panic(err)
	}

	changelog, err := updates.ParseChangelog(published)
	if err != nil {
		panic(err)
	}
	public, err := updates.ParsePublicKey("iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=")
	if err != nil {
		panic(err)
	}
	releases, _ := changelog.Verified([]ed25519.PublicKey{public})
	fmt.Print(updates.Notes(releases))
	// Output:
	// v1.2.3, 2026-11-22
	//
	// Faster.
}

// The record of a feed, and whether it names something newer than what a program says with "version".
func ExampleParseRecord() {
	record, _, err := updates.ParseRecord("v=UPDATES0; l=v1.10.0")
	if err != nil {
		panic(err)
	}
	running, _ := updates.VersionOf("v1.9.2 go1.26.1")
	fmt.Println(record.Latest, record.Latest.Newer(running))
	// Output: v1.10.0 true
}
