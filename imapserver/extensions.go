package imapserver

import (
	"strconv"
	"strings"

	"mox/imap"
	"mox/sasl"
)

// when says in which states an extension is announced.
type when uint8

const (
	always when = iota
	beforeLogin
	afterLogin
)

// extension is a capability. available, when not nil, decides for a session.
type extension struct {
	name      string
	rfc       string
	when      when
	available func(s *session) bool
}

// extensions has every capability that is announced, in the order of the line.
var extensions = []extension{
	{name: "IMAP4rev2", rfc: "9051"},
	{name: "IMAP4rev1", rfc: "3501"},
	{name: "STARTTLS", rfc: "9051 6.2.1", when: beforeLogin, available: (*session).canStartTLS},
	{name: "LOGINDISABLED", rfc: "9051 6.2.3", when: beforeLogin, available: func(s *session) bool { return !s.plaintextAllowed() }},
	{name: "SASL-IR", rfc: "4959", when: beforeLogin},
	{name: "AUTH=EXTERNAL", rfc: "4422", when: beforeLogin, available: (*session).hasClientCert},
	{name: "AUTH=SCRAM-SHA-256-PLUS", rfc: "7677", when: beforeLogin, available: (*session).canBind},
	{name: "AUTH=SCRAM-SHA-256", rfc: "7677", when: beforeLogin},
	{name: "AUTH=SCRAM-SHA-1-PLUS", rfc: "5802", when: beforeLogin, available: (*session).canBind},
	{name: "AUTH=SCRAM-SHA-1", rfc: "5802", when: beforeLogin},
	{name: "AUTH=CRAM-MD5", rfc: "2195", when: beforeLogin},
	{name: "AUTH=PLAIN", rfc: "4616", when: beforeLogin, available: (*session).plaintextAllowed},
	{name: "LITERAL+", rfc: "7888"},
	{name: "ID", rfc: "2971"},
	{name: "ENABLE", rfc: "5161"},
	{name: "IDLE", rfc: "2177"},
	{name: "COMPRESS=DEFLATE", rfc: "4978", when: afterLogin, available: (*session).canCompress},
	{name: "UNAUTHENTICATE", rfc: "8437", when: afterLogin},
	{name: "NAMESPACE", rfc: "2342"},
	{name: "UNSELECT", rfc: "3691"},
	{name: "UIDPLUS", rfc: "4315"},
	{name: "MOVE", rfc: "6851"},
	{name: "ESEARCH", rfc: "4731"},
	{name: "SEARCHRES", rfc: "5182"},
	{name: "WITHIN", rfc: "5032"},
	{name: "PARTIAL", rfc: "9394"},
	{name: "SORT", rfc: "5256"},
	{name: "SORT=DISPLAY", rfc: "5957"},
	{name: "ESORT", rfc: "5267"},
	{name: "THREAD=REFERENCES", rfc: "5256"},
	{name: "THREAD=REFS", rfc: "draft-ietf-morg-inthread"},
	{name: "THREAD=ORDEREDSUBJECT", rfc: "5256"},
	{name: "CONTEXT=SEARCH", rfc: "5267"},
	{name: "CONTEXT=SORT", rfc: "5267"},
	{name: "I18NLEVEL=2", rfc: "5255", when: afterLogin},
	{name: "LANGUAGE", rfc: "5255"},
	{name: "FILTERS", rfc: "5466"},
	{name: "MULTISEARCH", rfc: "7377"},
	{name: "SEARCH=FUZZY", rfc: "6203"},
	{name: "INPROGRESS", rfc: "9585"},
	{name: "LIST-EXTENDED", rfc: "5258"},
	{name: "LIST-STATUS", rfc: "5819"},
	{name: "CHILDREN", rfc: "3348"},
	{name: "SPECIAL-USE", rfc: "6154"},
	{name: "CREATE-SPECIAL-USE", rfc: "6154"},
	{name: "STATUS=SIZE", rfc: "8438"},
	{name: "BINARY", rfc: "3516"},
	{name: "MULTIAPPEND", rfc: "3502"},
	{name: "REPLACE", rfc: "8508"},
	{name: "CATENATE", rfc: "4469"},
	{name: "URL-PARTIAL", rfc: "5550"},
	{name: "URLAUTH", rfc: "4467"},
	{name: "URLAUTH=BINARY", rfc: "5524"},
	{name: "CONDSTORE", rfc: "7162"},
	{name: "QRESYNC", rfc: "7162"},
	{name: "UTF8=ACCEPT", rfc: "9755"},
	{name: "UIDONLY", rfc: "9586"},
	{name: "UIDBATCHES", rfc: "10022"},
	{name: "OBJECTID", rfc: "8474"},
	{name: "JMAPACCESS", rfc: "9698", available: (*session).hasJMAP},
	{name: "PREVIEW", rfc: "8970"},
	{name: "SAVEDATE", rfc: "8514"},
	{name: "METADATA", rfc: "5464"},
	{name: "METADATA-SERVER", rfc: "5464"},
	{name: "LIST-METADATA", rfc: "9590"},
	{name: "ANNOTATE-EXPERIMENT-1", rfc: "5257"},
	{name: "NOTIFY", rfc: "5465"},
	{name: "QUOTA", rfc: "9208"},
	{name: "QUOTA=RES-STORAGE", rfc: "9208"},
	{name: "QUOTA=RES-MESSAGE", rfc: "9208"},
	{name: "QUOTA=RES-MAILBOX", rfc: "9208"},
	{name: "APPENDLIMIT", rfc: "7889"},
	{name: "MESSAGELIMIT", rfc: "9738", available: (*session).hasMessageLimit},
	{name: "SAVELIMIT", rfc: "9738", available: (*session).hasSaveLimit},
	{name: "ACL", rfc: "4314", available: (*session).announcesACL},
	{name: "RIGHTS=" + imap.NewRights, rfc: "4314", available: (*session).announcesACL},
	{name: "LIST-MYRIGHTS", rfc: "8440", available: (*session).announcesACL},
}

// appendCapabilities writes the names of the extensions for the session's state, each
// after a space.
func (s *session) appendCapabilities(b []byte) []byte {
	for i := range extensions {
		e := &extensions[i]
		if e.when == beforeLogin && s.state != stateNotAuthenticated || e.when == afterLogin && s.state == stateNotAuthenticated {
			continue
		}
		if e.available != nil && !e.available(s) || s.isDisabled(e.name) || s.isDisabled(strings.ToUpper(e.name)) {
			continue
		}
		b = append(b, ' ')
		b = append(b, e.name...)
		switch e.name {
		case "APPENDLIMIT":
			b = strconv.AppendInt(append(b, '='), s.limits().AppendSize, 10)
		case "MESSAGELIMIT":
			b = strconv.AppendInt(append(b, '='), int64(s.limits().Messages), 10)
		case "SAVELIMIT":
			b = strconv.AppendInt(append(b, '='), int64(s.limits().saves()), 10)
		}
	}
	return b
}

// capabilityCode is the response code that spares clients the CAPABILITY command.
func (s *session) capabilityCode() string {
	return string(s.appendCapabilities([]byte("CAPABILITY")))
}

// announcesACL: before login it is not known whether the user may share mailboxes.
func (s *session) announcesACL() bool {
	return s.srv.cfg.Sharing != nil && (s.account == nil || s.shares())
}

func (s *session) canBind() bool          { return sasl.CanBind(s.tls) }
func (s *session) plaintextAllowed() bool { return s.tls != nil || s.listener.PlaintextAuth }
func (s *session) canStartTLS() bool {
	return s.tls == nil && s.listener.TLS != nil && !s.listener.Implicit
}
func (s *session) hasClientCert() bool { return s.tls != nil && len(s.tls.PeerCertificates) > 0 }
