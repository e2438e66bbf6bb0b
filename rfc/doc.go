// Package rfc keeps the index of the RFCs that mox follows, and checks the references to
// them in the code.
//
// A comment such as "RFC 5321 4.1.1.4: why" names a section. TestReferences fails when an RFC
// is named that index.txt does not list, or a section that the RFC does not have. The
// program rfc/xr makes pages that show the code beside the RFC text it cites.
//
// Files: index.txt, a line for each RFC: its number, what mox does of it (see [Status]), the
// part of mail it belongs to, and its title, separated by tabs; sections.txt, made by
// "go run ./rfc/xr -sections" from the texts, a line for each RFC that is cited: its number
// and its sections. For RFCs without a line there, sections are not checked. docs/rfcs.md is
// made of the index ("make docs").
package rfc
