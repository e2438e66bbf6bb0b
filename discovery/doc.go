// Package discovery tells mail programs over HTTP how to connect, so that users need to know
// no more than their address and password:
//
//   - autoconfig of Thunderbird and others: XML at /mail/config-v1.1.xml of autoconfig.<domain>, and
//     at /.well-known/autoconfig/mail/config-v1.1.xml of the domain itself;
//   - autodiscover of Outlook and others: XML at /autodiscover/autodiscover.xml, and the second
//     version, JSON at /autodiscover/autodiscover.json;
//   - profiles of Apple's mail programs at /profile.mobileconfig, signed (CMS, RFC 5652), and a
//     QR code at /profile.mobileconfig.qrcode.png that leads a telephone there.
//
// What is told is of package clientconf, and depends only on the domain of an address: the
// answer does not tell whether the address exists.
//
// [New] makes a Discovery, whose Endpoints are for the web server. All is safe for concurrent
// use; there are no goroutines and no files.
//
// Files: discovery.go endpoints and hosts; autoconfig.go, autodiscover.go, profile.go formats;
// cms.go signatures.
package discovery
