package discovery

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"mox/clientconf"
)

// Namespaces of autodiscover.
const (
	nsResponse = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	nsOutlook  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// parseQuery is r.URL.Query, with its error.
func parseQuery(r *http.Request) (url.Values, error) { return url.ParseQuery(r.URL.RawQuery) }

// discoverRequest is what a client posts, of any version of the schema.
type discoverRequest struct {
	XMLName xml.Name `xml:"Autodiscover"`
	Request struct {
		EMailAddress             string
		AcceptableResponseSchema string
	}
}

type discoverResponse struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response any
}

type discoverSettings struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
	User    struct{ DisplayName string }
	Account struct {
		AccountType string
		Action      string
		Protocol    []discoverProtocol
	}
}

type discoverProtocol struct {
	Type           string
	Server         string
	Port           int
	LoginName      string
	DomainRequired string
	SPA            string
	SSL            string
	Encryption     string `xml:",omitempty"`
	AuthRequired   string
	UsePOPAuth     string `xml:",omitempty"`
	SMTPLast       string `xml:",omitempty"`
}

type discoverError struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Response"`
	Error   struct {
		Time      string `xml:"Time,attr"`
		ID        string `xml:"Id,attr"`
		ErrorCode int
		Message   string
		DebugData struct{}
	}
}

// Error codes of autodiscover.
const (
	codeUnknownAddress = 500
	codeInvalid        = 600
	codeNoProvider     = 601
)

// autodiscover serves settings for Outlook and others. Errors are in the document, with status
// 200, as clients expect; a body that is no request at all gets the status.
func (d *Discovery) autodiscover(w http.ResponseWriter, r *http.Request) {
	if allow(w, r, http.MethodPost) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, "413 - request is too large", http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		bad(w, "request cannot be read")
		return
	}
	var req discoverRequest
	if err := xml.Unmarshal(body, &req); err != nil {
		bad(w, "request is not XML of autodiscover")
		return
	}
	// ActiveSync, the other known schema, is not offered.
	if s := strings.TrimSpace(req.Request.AcceptableResponseSchema); s != "" && s != nsOutlook {
		d.discoverFail(w, r, codeNoProvider, "the only response schema is "+nsOutlook)
		return
	}
	address := strings.TrimSpace(req.Request.EMailAddress)
	if address == "" {
		d.discoverFail(w, r, codeInvalid, "no e-mail address in request")
		return
	}
	s, err := d.settings(address)
	if err != nil {
		d.discoverFail(w, r, codeUnknownAddress, "no settings: "+err.Error())
		return
	}
	d.Autodiscover(s.Domain.Name())
	d.sendXML(w, r, discoverResponse{Response: discoverOf(s)})
}

func (d *Discovery) discoverFail(w http.ResponseWriter, r *http.Request, code int, message string) {
	var e discoverError
	e.Error.Time = d.Now().UTC().Format("15:04:05.0000000")
	e.Error.ID = "0"
	e.Error.ErrorCode, e.Error.Message = code, message
	d.sendXML(w, r, discoverResponse{Response: e})
}

func (d *Discovery) sendXML(w http.ResponseWriter, r *http.Request, v any) {
	body, err := marshal(v)
	if err != nil {
		d.fail(r.Context(), w, "making settings", err)
		return
	}
	send(w, "text/xml; charset=utf-8", http.StatusOK, body)
}

func discoverOf(s *clientconf.Settings) *discoverSettings {
	var v discoverSettings
	v.User.DisplayName = s.Name
	v.Account.AccountType, v.Account.Action = "email", "settings"
	for _, p := range []clientconf.Protocol{clientconf.IMAP, clientconf.Submission} {
		// Outlook does not do ALPN: the best, on a port of its own.
		l := s.Best(p)
		if len(l) == 0 {
			continue
		}
		e := l[0]
		x := discoverProtocol{Type: "IMAP", Server: e.Host.ASCII, Port: e.Port, LoginName: s.Username, DomainRequired: "off", SPA: "off", SSL: "off", AuthRequired: "on"}
		if e.TLS == clientconf.ImplicitTLS {
			x.SSL = "on"
		}
		if e.TLS != clientconf.NoTLS {
			x.Encryption = "TLS"
		}
		if p == clientconf.Submission {
			// The login is that of IMAP.
			x.Type, x.UsePOPAuth, x.SMTPLast = "SMTP", "on", "off"
		}
		v.Account.Protocol = append(v.Account.Protocol, x)
	}
	return &v
}

// autodiscoverJSON is the second version of autodiscover: where a protocol is for an address. What
// there is are IMAP and SMTP, and the first version, which has their settings. The address is in the
// query, or in the path.
func (d *Discovery) autodiscoverJSON(w http.ResponseWriter, r *http.Request) {
	if allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	query, err := parseQuery(r)
	if err != nil {
		d.jsonFail(w, r, http.StatusBadRequest, "InvalidRequest", "The query is malformed.")
		return
	}
	// The names of parameters are in any case.
	param := func(name string) string {
		for k, v := range query {
			if strings.EqualFold(k, name) {
				return v[0]
			}
		}
		return ""
	}
	address, protocol := param("Email"), param("Protocol")
	if below, ok := strings.CutPrefix(r.URL.Path, "/v1.0/"); ok {
		address = below
	}
	for _, p := range [][2]string{{"Email", address}, {"Protocol", protocol}} {
		if p[1] == "" {
			d.jsonFail(w, r, http.StatusBadRequest, "MandatoryParameterMissing", fmt.Sprintf("A valid value must be provided for the query parameter '%s'.", p[0]))
			return
		}
	}
	s, err := d.settings(address)
	if errors.Is(err, clientconf.ErrAddress) {
		d.jsonFail(w, r, http.StatusBadRequest, "InvalidUserId", "The given e-mail address is not valid.")
		return
	} else if err != nil {
		d.jsonFail(w, r, http.StatusNotFound, "UserNotFound", "The domain of the e-mail address is not of this server.")
		return
	}
	v, ok := d.located(r, s, strings.ToLower(protocol))
	if !ok {
		d.jsonFail(w, r, http.StatusNotFound, "ProtocolNotSupported", "Supported protocols are 'AutodiscoverV1', 'IMAP' and 'SMTP'.")
		return
	}
	d.Autodiscover(s.Domain.Name())
	d.sendJSON(w, r, http.StatusOK, v)
}

// location is where a protocol is. Clients know Protocol and Url; the others have the same in
// parts.
type location struct {
	Protocol  string
	URL       string `json:"Url"`
	Server    string `json:",omitempty"`
	Port      int    `json:",omitempty"`
	TLS       string `json:",omitempty"`
	LoginName string `json:",omitempty"`
}

// located returns where a protocol, in lower case, is.
func (d *Discovery) located(r *http.Request, s *clientconf.Settings, protocol string) (location, bool) {
	kinds := map[string]struct {
		name     string
		protocol clientconf.Protocol
		schemes  [2]string // without and with TLS from the start
	}{"imap": {"IMAP", clientconf.IMAP, [2]string{"imap", "imaps"}}, "smtp": {"SMTP", clientconf.Submission, [2]string{"submission", "submissions"}}}
	if protocol == "autodiscoverv1" {
		return location{Protocol: "AutodiscoverV1", URL: "https://" + requestHost(r) + "/autodiscover/autodiscover.xml"}, true
	}
	kind, ok := kinds[protocol]
	if !ok {
		return location{}, false
	}
	l := s.Best(kind.protocol)
	if len(l) == 0 {
		return location{}, false
	}
	scheme := kind.schemes[0]
	if l[0].TLS == clientconf.ImplicitTLS {
		scheme = kind.schemes[1]
	}
	return location{kind.name, scheme + "://" + l[0].Host.ASCII + ":" + strconv.Itoa(l[0].Port), l[0].Host.ASCII, l[0].Port, string(l[0].TLS), s.Username}, true
}

func (d *Discovery) jsonFail(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	d.sendJSON(w, r, status, struct{ ErrorCode, ErrorMessage string }{code, message})
}

func (d *Discovery) sendJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		d.fail(r.Context(), w, "making settings", err)
		return
	}
	send(w, "application/json; charset=utf-8", status, append(body, '\n'))
}
