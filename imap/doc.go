// Package imap holds the words of IMAP: commands and responses as types, a
// bounded decoder from wire to command, append-style encoders for responses, and
// a reader of responses for clients. It knows no session, mailbox or account.
//
// RFCs: 9051 (IMAP4rev2), 3501 (IMAP4rev1), 2177 (IDLE), 2342 (NAMESPACE), 2971
// (ID), 3348 (CHILDREN), 3502 (MULTIAPPEND), 3516 (BINARY), 3691 (UNSELECT), 4315
// (UIDPLUS), 4466 (collected extensions), 4467 (URLAUTH), 4469 (CATENATE), 4731 (ESEARCH), 4959 (SASL-IR), 5032
// (WITHIN), 5466 (FILTERS), 6203 (SEARCH=FUZZY), 7377 (MULTISEARCH), 5092 (imap URLs), 5161 (ENABLE), 5182 (SEARCHRES), 5258 (LIST-EXTENDED), 5524 (URLAUTH=BINARY), 5819
// (LIST-STATUS), 6154 (SPECIAL-USE), 6851 (MOVE), 6855 and 9755 (UTF8=ACCEPT), 7162
// (CONDSTORE, QRESYNC), 7888 (LITERAL+), 7889 (APPENDLIMIT), 8438 (STATUS=SIZE),
// 8474 (OBJECTID), 8508 (REPLACE), 8514 (SAVEDATE), 8970 (PREVIEW), 9208 (QUOTA).
//
// [Decoder] reads commands, [ResponseReader] reads responses; both work on a line
// at a time and ask their input for literals as the grammar meets them. Functions
// named Append... write one production of the grammar to the end of a byte slice
// and return it; they allocate only when the slice must grow.
//
// The package keeps no files and starts no goroutines. Values are not safe for
// concurrent use unless they say so; the tables are read only.
package imap
