package authres

// Results are the results of a server: one header field. The zero value, printed, says that no
// authentication was done.
type Results struct {
	// Instance is the number of the ARC set (RFC 8617 4.1.1), 1 to 50; 0 for
	// Authentication-Results.
	Instance int
	// Hostname is the authserv-id: who says it. Empty in what is parsed if there is none.
	Hostname string
	// Version of the field, mostly empty, which stands for "1".
	Version string
	// Comment after the authserv-id.
	Comment string
	// Methods are empty if no authentication was done ("none").
	Methods []Method
}

// Method is the result of a method ("resinfo").
type Method struct {
	Method  string // as in "spf", lower case
	Version string // mostly empty
	Result  string // as in "pass", lower case
	Comment string
	Reason  string
	Props   []Prop
}

// Prop is a property that was looked at ("propspec"), as in "smtp.mailfrom=example.org".
type Prop struct {
	Type     string // as in "smtp", "header", "body", "policy", "dns"; empty if not written
	Property string // as in "mailfrom"
	Value    string // decoded
	Comment  string // after the value
}

// Prop returns the value of the first property of the type and name, and whether there is one.
func (m Method) Prop(typ, property string) (string, bool) {
	for _, p := range m.Props {
		if p.Type == typ && p.Property == property {
			return p.Value, true
		}
	}
	return "", false
}
