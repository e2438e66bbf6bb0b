package imap

// commandSyntax says how the arguments of a command are read, and whether the
// command may follow the prefix UID.
type commandSyntax struct {
	parse func(d *Decoder, r *Request) any // nil: no arguments
	uid   bool
}

// commands has every command the decoder knows, in all states.
var commands = map[string]commandSyntax{
	"CAPABILITY":     {},
	"NOOP":           {},
	"LOGOUT":         {},
	"ID":             {parse: parseID},
	"STARTTLS":       {},
	"AUTHENTICATE":   {parse: parseAuthenticate},
	"LOGIN":          {parse: parseLogin},
	"ENABLE":         {parse: parseEnable},
	"SELECT":         {parse: parseSelect},
	"EXAMINE":        {parse: parseSelect},
	"CREATE":         {parse: parseCreate},
	"DELETE":         {parse: parseMailbox},
	"RENAME":         {parse: parseRename},
	"SUBSCRIBE":      {parse: parseMailbox},
	"UNSUBSCRIBE":    {parse: parseMailbox},
	"LIST":           {parse: parseList},
	"LSUB":           {parse: parseLsub},
	"NAMESPACE":      {},
	"STATUS":         {parse: parseStatus},
	"APPEND":         {parse: parseAppend},
	"REPLACE":        {parse: parseReplace, uid: true},
	"RESETKEY":       {parse: parseResetKey},
	"GENURLAUTH":     {parse: parseGenURLAuth},
	"URLFETCH":       {parse: parseURLFetch},
	"IDLE":           {},
	"GETQUOTA":       {parse: parseGetQuota},
	"GETQUOTAROOT":   {parse: parseMailbox},
	"SETACL":         {parse: parseSetACL},
	"DELETEACL":      {parse: parseACLIdentifier},
	"GETACL":         {parse: parseMailbox},
	"LISTRIGHTS":     {parse: parseACLIdentifier},
	"MYRIGHTS":       {parse: parseMailbox},
	"GETMETADATA":    {parse: parseGetMetadata},
	"SETMETADATA":    {parse: parseSetMetadata},
	"NOTIFY":         {parse: parseNotify},
	"COMPRESS":       {parse: parseCompress},
	"UNAUTHENTICATE": {},
	"UIDBATCHES":     {parse: parseUIDBatches},
	"CHECK":          {},
	"CLOSE":          {},
	"UNSELECT":       {},
	"EXPUNGE":        {parse: parseExpunge, uid: true},
	"SEARCH":         {parse: parseSearch, uid: true},
	"SORT":           {parse: parseSort, uid: true},
	"THREAD":         {parse: parseThread, uid: true},
	"CANCELUPDATE":   {parse: parseCancelUpdate},
	"COMPARATOR":     {parse: parseComparator},
	"LANGUAGE":       {parse: parseLanguage},
	"FETCH":          {parse: parseFetch, uid: true},
	"STORE":          {parse: parseStore, uid: true},
	"COPY":           {parse: parseCopy, uid: true},
	"MOVE":           {parse: parseCopy, uid: true},
}
