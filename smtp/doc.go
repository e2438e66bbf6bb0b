// Package smtp has the words of SMTP as types: addresses and paths, commands with
// their parameters, replies and errors. They are parsed from and printed to lines;
// connections and sessions are other packages' business.
//
// What is printed parses back to the same value. Parsing is strict by the RFCs'
// grammar when [Options.Pedantic] is set, and otherwise allows what is common among
// real clients without being ambiguous.
//
// RFCs: 5321 (SMTP), 1870 (SIZE), 2033 (LMTP), 2034 and 3463 (enhanced status
// codes), 3030 (BDAT), 4468 (BURL), 3207 (STARTTLS), 3461 (DSN parameters), 4865 (future
// release), 4954 (AUTH), 6152 (8BITMIME), 6531 and 6533 (SMTPUTF8), 8689
// (REQUIRETLS).
//
// Goroutines: none. All functions are safe for concurrent use.
package smtp
