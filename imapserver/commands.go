package imapserver

import (
	"context"

	"mox/imap"
)

// state is the protocol state of RFC 9051 3.
type state uint8

const (
	stateNotAuthenticated state = 1 << iota
	stateAuthenticated
	stateSelected

	anyState      = stateNotAuthenticated | stateAuthenticated | stateSelected
	authenticated = stateAuthenticated | stateSelected
)

// command says when a command is allowed and what runs it. run returns nil after
// the whole command is done but for pending changes and the tagged OK, for which it
// may set the session's reply. An [*imap.Error] becomes the tagged response; any
// other error is our own failure, or ends the connection when it wraps errClose.
type command struct {
	states state
	run    func(s *session, ctx context.Context, r *imap.Request) error
	// noExpunge: RFC 9051 7.5.1: EXPUNGE must not be sent in answer, unless the
	// command has the prefix UID.
	noExpunge bool
	// quiet: changes in the mailbox are not reported before the tagged response.
	quiet bool
}

// commandTable has every command of package imap's decoder.
var commandTable = map[string]command{
	"CAPABILITY":     {states: anyState, run: (*session).cmdCapability},
	"NOOP":           {states: anyState, run: (*session).cmdNoop},
	"LOGOUT":         {states: anyState, run: (*session).cmdLogout, quiet: true},
	"ID":             {states: anyState, run: (*session).cmdID},
	"STARTTLS":       {states: stateNotAuthenticated, run: (*session).cmdStartTLS, quiet: true},
	"AUTHENTICATE":   {states: stateNotAuthenticated, run: (*session).cmdAuthenticate, quiet: true},
	"LOGIN":          {states: stateNotAuthenticated, run: (*session).cmdLogin, quiet: true},
	"ENABLE":         {states: authenticated, run: (*session).cmdEnable},
	"SELECT":         {states: authenticated, run: (*session).cmdSelect, quiet: true},
	"EXAMINE":        {states: authenticated, run: (*session).cmdExamine, quiet: true},
	"CREATE":         {states: authenticated, run: (*session).cmdCreate},
	"DELETE":         {states: authenticated, run: (*session).cmdDelete},
	"RENAME":         {states: authenticated, run: (*session).cmdRename},
	"SUBSCRIBE":      {states: authenticated, run: (*session).cmdSubscribe},
	"UNSUBSCRIBE":    {states: authenticated, run: (*session).cmdUnsubscribe},
	"LIST":           {states: authenticated, run: (*session).cmdList},
	"LSUB":           {states: authenticated, run: (*session).cmdLsub},
	"NAMESPACE":      {states: authenticated, run: (*session).cmdNamespace},
	"STATUS":         {states: authenticated, run: (*session).cmdStatus},
	"APPEND":         {states: authenticated, run: (*session).cmdAppend},
	"REPLACE":        {states: stateSelected, run: (*session).cmdReplace},
	"RESETKEY":       {states: authenticated, run: (*session).cmdResetKey},
	"GENURLAUTH":     {states: authenticated, run: (*session).cmdGenURLAuth},
	"URLFETCH":       {states: authenticated, run: (*session).cmdURLFetch},
	"IDLE":           {states: authenticated, run: (*session).cmdIdle, quiet: true},
	"GETQUOTA":       {states: authenticated, run: (*session).cmdGetQuota},
	"GETQUOTAROOT":   {states: authenticated, run: (*session).cmdGetQuotaRoot},
	"SETACL":         {states: authenticated, run: (*session).cmdSetACL},
	"DELETEACL":      {states: authenticated, run: (*session).cmdDeleteACL},
	"GETACL":         {states: authenticated, run: (*session).cmdGetACL},
	"LISTRIGHTS":     {states: authenticated, run: (*session).cmdListRights},
	"MYRIGHTS":       {states: authenticated, run: (*session).cmdMyRights},
	"GETMETADATA":    {states: authenticated, run: (*session).cmdGetMetadata},
	"SETMETADATA":    {states: authenticated, run: (*session).cmdSetMetadata},
	"NOTIFY":         {states: authenticated, run: (*session).cmdNotify},
	"COMPRESS":       {states: authenticated, run: (*session).cmdCompress, quiet: true},
	"UIDBATCHES":     {states: stateSelected, run: (*session).cmdUIDBatches},
	"GETJMAPACCESS":  {states: authenticated, run: (*session).cmdGetJMAPAccess},
	"UNAUTHENTICATE": {states: authenticated, run: (*session).cmdUnauthenticate, quiet: true},
	"CHECK":          {states: stateSelected, run: (*session).cmdNoop},
	"CLOSE":          {states: stateSelected, run: (*session).cmdClose, quiet: true},
	"UNSELECT":       {states: stateSelected, run: (*session).cmdUnselect, quiet: true},
	"EXPUNGE":        {states: stateSelected, run: (*session).cmdExpunge},
	"SEARCH":         {states: stateSelected, run: (*session).cmdSearch, noExpunge: true},
	"SORT":           {states: stateSelected, run: (*session).cmdSort, noExpunge: true},
	"THREAD":         {states: stateSelected, run: (*session).cmdThread, noExpunge: true},
	"CANCELUPDATE":   {states: stateSelected, run: (*session).cmdCancelUpdate},
	"COMPARATOR":     {states: authenticated, run: (*session).cmdComparator},
	"LANGUAGE":       {states: anyState, run: (*session).cmdLanguage},
	"FETCH":          {states: stateSelected, run: (*session).cmdFetch, noExpunge: true},
	"STORE":          {states: stateSelected, run: (*session).cmdStore, noExpunge: true},
	"COPY":           {states: stateSelected, run: (*session).cmdCopy},
	"MOVE":           {states: stateSelected, run: (*session).cmdMove},
	"ESEARCH":        {states: authenticated, run: (*session).cmdMultiSearch, noExpunge: true},
}

// receiving are the commands that mostly wait for what the client sends.
var receiving = map[string]bool{"APPEND": true, "REPLACE": true, "AUTHENTICATE": true, "STARTTLS": true, "IDLE": true}

// stateText says for error texts why a command for the states allowed is none for st.
func stateText(st, allowed state) string {
	switch {
	case st == stateNotAuthenticated:
		return "before login"
	case allowed == stateNotAuthenticated:
		return "after login"
	}
	return "without a selected mailbox"
}
