package message

// AddressKind says what an entry of an address list is.
type AddressKind uint8

// The kinds of entries of an address list.
const (
	AddressMailbox    AddressKind = iota // a mailbox
	AddressGroupStart                    // start of a group; its name is in Name
	AddressGroupEnd                      // end of a group; all else is empty
)

// Address is an entry of an address list: a mailbox, or the start or end of a
// group (RFC 5322 3.4), which is also how IMAP lists them.
type Address struct {
	// Kind is AddressMailbox, the zero value, for all but group markers.
	Kind AddressKind
	// Name is the display name or group name, without quotes and comments. From a
	// parsed message encoded-words are still encoded, see [Address.DisplayName], and
	// bytes may be 8 bit; what is given to a [Composer] is text in UTF-8.
	Name string
	// Route is the source route of obsolete syntax ("@a,@b"), mostly "".
	Route string
	// Mailbox is the local part without quotes, Host the domain as in the message.
	// Host is "" where the address has none.
	Mailbox, Host string
}
