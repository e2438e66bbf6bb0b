package metrics

// Bucket sets, in seconds.
var (
	bucketsA      = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 20}
	bucketsA30    = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 20, 30}
	bucketsA120   = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 20, 30, 60, 120}
	bucketsB      = []float64{.01, .05, .1, .5, 1, 5, 10, 20, 30}
	bucketsB20    = []float64{.01, .05, .1, .5, 1, 5, 10, 20}
	bucketsB120   = []float64{.01, .05, .1, .5, 1, 5, 10, 20, 30, 60, 120}
	bucketsSherpa = []float64{.01, .05, .1, .2, .5, 1, 2, 4, 8, 16}
)

// panicPackages have their panic counter at zero from the start, so that an alert on
// its increase sees the first panic. Others appear on their first panic.
var panicPackages = []string{
	"ctl", "import", "serve", "imapserver", "mtastsdb", "queue", "smtpclient", "smtpserver", "dkimverify", "spfverify",
	"upgradethreads", "importmanage", "importmessages", "webadmin", "webmailsendevent", "webmail", "webmailrequest",
	"webmailquery", "webmailhandle",
}

// SMTP server.
var (
	SMTPServerConnection             = CounterDef{Name: "mox_smtpserver_connection_total", Help: "Connections accepted, by kind: deliver, submit, lmtp.", Labels: []string{"kind"}}
	SMTPServerCommand                = HistogramDef{Name: "mox_smtpserver_command_duration_seconds", Help: "Duration of commands.", Labels: []string{"kind", "cmd", "code", "ecode"}, Buckets: bucketsA120}
	SMTPServerDelivery               = CounterDef{Name: "mox_smtpserver_delivery_total", Help: "Outcomes of incoming messages, by result (delivered, reject, unknownuser, highrate, checkrates, accounterror, delivererror) and reason.", Labels: []string{"result", "reason"}}
	SMTPServerSubmission             = CounterDef{Name: "mox_smtpserver_submission_total", Help: "Outcomes of submissions: ok, badmessage, badfrom, badheader, missingsmtputf8, domaindisabled, messagelimiterror, recipientlimiterror, queueerror.", Labels: []string{"result"}}
	SMTPServerErrors                 = CounterDef{Name: "mox_smtpserver_errors_total", Help: "Internal errors that did not end a transaction: dkimsign, queuedsn.", Labels: []string{"error"}}
	SMTPServerForward                = CounterDef{Name: "mox_smtpserver_forward_total", Help: "Messages that addresses here pass on to others, by what: forwarded (for each address), returned (notifications about them, to the original sender).", Labels: []string{"what"}}
	SMTPServerDeliverySTARTTLS       = CounterDef{Name: "mox_smtpserver_delivery_starttls_total", Help: "STARTTLS started on connections for delivery."}
	SMTPServerConnectionRefused      = CounterDef{Name: "mox_smtpserver_connection_refused_total", Help: "Connections closed with 421 at their start, by kind (deliver, submit, lmtp) and reason: shutdown, connections (too many in all), address (too many from an address or network, or too many unknown recipients tried).", Labels: []string{"kind", "reason"}}
	SMTPServerRecipientRefused       = CounterDef{Name: "mox_smtpserver_recipient_refused_total", Help: "Recipients refused for good at RCPT, by kind: deliver, submit, lmtp. Many of them are someone who looks for addresses.", Labels: []string{"kind"}}
	SMTPServerHarvest                = CounterDef{Name: "mox_smtpserver_harvest_total", Help: "Recipients and connections refused because their network had too many refused recipients within the hour, by what: rcpt, connection.", Labels: []string{"what"}}
	SMTPServerRateLimited            = CounterDef{Name: "mox_smtpserver_transaction_ratelimited_total", Help: "Transactions refused because their network began too many within the minute, by kind.", Labels: []string{"kind"}}
	SMTPServerSlow                   = CounterDef{Name: "mox_smtpserver_slow_total", Help: "Suspected spammers, by kind, reason (badcommands, recipients, transactions, suspicious) and what was done: slow, closed (as there were too many slow ones).", Labels: []string{"kind", "reason", "action"}}
	SMTPServerSlowSessions           = GaugeDef{Name: "mox_smtpserver_slow_sessions", Help: "Open sessions of suspected spammers, which are served an octet a second, by kind.", Labels: []string{"kind"}}
	SMTPServerDeliverySTARTTLSErrors = CounterDef{Name: "mox_smtpserver_delivery_starttls_errors_total", Help: "TLS handshakes that failed after STARTTLS: eof, sslv2, unsupportedversions, nottls, alert-<num>-<msg>, other.", Labels: []string{"reason"}}
)

// Queue, outgoing connections and webhooks.
var (
	QueueConnection                = CounterDef{Name: "mox_queue_connection_total", Help: "Outgoing connections: ok, timeout, canceled, error.", Labels: []string{"result"}}
	QueueDelivery                  = HistogramDef{Name: "mox_queue_delivery_duration_seconds", Help: "Delivery attempts, by number of the attempt, transport (empty is direct), tlsmode (immediate, requiredstarttls, opportunistic, skip; with +mtasts, +dane) and result (ok, timeout, canceled, temperror, permerror, error).", Labels: []string{"attempt", "transport", "tlsmode", "result"}, Buckets: bucketsB120}
	QueueHold                      = GaugeDef{Name: "mox_queue_hold", Help: "Messages in the queue that are on hold."}
	QueueDMARCReportFailure        = CounterDef{Name: "mox_queue_dmarcreport_failure_total", Help: "DMARC reports whose delivery failed permanently."}
	QueueDestinations              = CounterDef{Name: "mox_queue_destinations_total", Help: "Destinations (MX hosts) tried."}
	QueueDestinationsAuthentic     = CounterDef{Name: "mox_queue_destinations_authentic_total", Help: "Destinations found through DNSSEC-authentic MX records."}
	QueueDANERequired              = CounterDef{Name: "mox_queue_destination_dane_required_total", Help: "Destinations for which DANE applied."}
	QueueDANESTARTTLSUnverified    = CounterDef{Name: "mox_queue_destination_dane_starttlsunverified_total", Help: "Destinations with TLSA records none of which is usable, so that TLS is required but not verified."}
	QueueDANEGatherTLSAErrors      = CounterDef{Name: "mox_queue_destination_dane_gathertlsa_errors_total", Help: "Lookups of TLSA records that failed."}
	QueueTLSRequiredNoIgnored      = CounterDef{Name: "mox_queue_tlsrequiredno_ignored_total", Help: "Policy failures ignored because the message says TLS-Required: No: mtastspolicy, mtastsmx, badtls, badtlsa.", Labels: []string{"ignored"}}
	QueueRequireTLSUnsupported     = CounterDef{Name: "mox_queue_requiretls_unsupported_total", Help: "Messages with REQUIRETLS that a destination cannot take: nopolicy, norequiretls.", Labels: []string{"reason"}}
	QueuePlaintextFallback         = CounterDef{Name: "mox_queue_plaintext_fallback_total", Help: "Connections repeated in plaintext after opportunistic TLS failed."}
	SMTPClientCommand              = HistogramDef{Name: "mox_smtpclient_command_duration_seconds", Help: "Duration of outgoing commands.", Labels: []string{"cmd", "code", "secode"}, Buckets: bucketsA120}
	SMTPClientTLSRequiredNoIgnored = CounterDef{Name: "mox_smtpclient_tlsrequiredno_ignored_total", Help: "TLS verification failures ignored because the message says TLS-Required: No: daneverification.", Labels: []string{"ignored"}}
	QueueBounces                   = CounterDef{Name: "mox_queue_bounces_total", Help: "Notifications from elsewhere about messages that were sent, by event (of webhooks) and how the message was found: fromid, messageid.", Labels: []string{"event", "match"}}
	WebhookRequest                 = HistogramDef{Name: "mox_webhook_request_duration_seconds", Help: "Duration of webhook calls.", Buckets: bucketsB}
	WebhookResults                 = CounterDef{Name: "mox_webhook_results_total", Help: "Results of webhook calls: HTTP status, <n>xx for uncommon ones, error.", Labels: []string{"code"}}
)

// IMAP server.
var (
	IMAPConnection = CounterDef{Name: "mox_imap_connection_total", Help: "Connections accepted, by service: imap, imaps, ctl.", Labels: []string{"service"}}
	IMAPCommand    = HistogramDef{Name: "mox_imap_command_duration_seconds", Help: "Duration of commands, by result: ok, panic, ioerror, badsyntax, servererror, usererror, error.", Labels: []string{"cmd", "result"}, Buckets: bucketsA}
)

// HTTP and applications.
var (
	HTTPServerRequest       = HistogramDef{Name: "mox_httpserver_request_duration_seconds", Help: "Time until the response header was written.", Labels: []string{"handler", "proto", "method", "code"}, Buckets: bucketsA120}
	HTTPServerResponse      = HistogramDef{Name: "mox_httpserver_response_duration_seconds", Help: "Time until the response was complete.", Labels: []string{"handler", "proto", "method", "code"}, Buckets: bucketsA120}
	WebmailSubmission       = CounterDef{Name: "mox_webmail_submission_total", Help: "Outcomes of submissions from webmail.", Labels: []string{"result"}}
	WebmailErrors           = CounterDef{Name: "mox_webmail_errors_total", Help: "Internal errors of webmail: submit, storesent and others.", Labels: []string{"error"}}
	WebmailSSEConnections   = GaugeDef{Name: "mox_webmail_sse_connections", Help: "Open event streams of webmail."}
	WebAPISubmission        = CounterDef{Name: "mox_webapi_submission_total", Help: "Outcomes of submissions through the HTTP API.", Labels: []string{"result"}}
	WebAPIErrors            = CounterDef{Name: "mox_webapi_errors_total", Help: "Internal errors of the HTTP API.", Labels: []string{"error"}}
	WebAPIResults           = CounterDef{Name: "mox_webapi_results_total", Help: "Results of calls of the HTTP API: ok, badauth, or an error code.", Labels: []string{"method", "result"}}
	JMAPCall                = HistogramDef{Name: "mox_jmap_call_duration_seconds", Help: "Duration of calls of methods of JMAP, by method and result (ok, or the type of the error).", Labels: []string{"method", "result"}, Buckets: bucketsB}
	JMAPPush                = CounterDef{Name: "mox_jmap_push_total", Help: "Requests to push services for JMAP, by kind (verification, state) and result: ok, gone (the subscription was destroyed), later (tried again), refused.", Labels: []string{"kind", "result"}}
	WebAPIRequest           = HistogramDef{Name: "mox_webapi_duration_seconds", Help: "Duration of calls of the HTTP API.", Labels: []string{"method"}, Buckets: bucketsB}
	AutoconfRequest         = CounterDef{Name: "mox_autoconf_request_total", Help: "Autoconfiguration requests, by configured domain.", Labels: []string{"domain"}}
	AutodiscoverRequest     = CounterDef{Name: "mox_autodiscover_request_total", Help: "Autodiscover requests, by configured domain.", Labels: []string{"domain"}}
	SherpaRequests          = CounterDef{Name: "sherpa_requests_total", Help: "Calls of functions of the browser applications.", Labels: []string{"api", "function"}}
	SherpaErrors            = CounterDef{Name: "sherpa_errors_total", Help: "Errors returned by functions of the browser applications.", Labels: []string{"api", "function", "code"}}
	SherpaProtocolErrors    = CounterDef{Name: "sherpa_protocol_errors_total", Help: "Calls that were not understood.", Labels: []string{"api"}}
	SherpaBadFunction       = CounterDef{Name: "sherpa_bad_function_total", Help: "Calls of unknown functions.", Labels: []string{"api"}}
	SherpaJavaScriptRequest = CounterDef{Name: "sherpa_javascript_request_total", Help: "Requests for the client library.", Labels: []string{"api"}}
	SherpaJSONRequests      = CounterDef{Name: "sherpa_json_requests_total", Help: "Requests for the description of an API.", Labels: []string{"api"}}
	SherpaRequest           = HistogramDef{Name: "sherpa_requests_duration_seconds", Help: "Duration of calls of functions of the browser applications.", Labels: []string{"api", "function"}, Buckets: bucketsSherpa}
)

// TLS, DNS and mail authentication.
var (
	AutoTLSMissingServerName = CounterDef{Name: "mox_autotls_missing_servername_total", Help: "TLS connections refused for lack of a server name (SNI)."}
	AutoTLSUnknownServerName = CounterDef{Name: "mox_autotls_unknown_servername_total", Help: "TLS connections refused for a server name that is not ours."}
	AutoTLSCertRequestErrors = CounterDef{Name: "mox_autotls_cert_request_errors_total", Help: "Requests for certificates by ACME that failed."}
	AutoTLSCertPut           = CounterDef{Name: "mox_autotls_certput_total", Help: "Certificates stored."}
	TLSCertificateExpiry     = GaugeDef{Name: "mox_tls_certificate_not_after_seconds", Help: "When a certificate ends, as Unix time, by source (acme, file), name and kind of key (ecdsa, rsa).", Labels: []string{"source", "name", "kind"}}
	DANEVerify               = CounterDef{Name: "mox_dane_verify_total", Help: "Verifications of TLS connections with DANE."}
	DANEVerifyErrors         = CounterDef{Name: "mox_dane_verify_errors_total", Help: "Verifications with DANE that failed."}
	DKIMSign                 = CounterDef{Name: "mox_dkim_sign_total", Help: "DKIM signatures made, by key: rsa, ed25519.", Labels: []string{"key"}}
	DKIMVerify               = HistogramDef{Name: "mox_dkim_verify_duration_seconds", Help: "Verification of DKIM signatures.", Labels: []string{"algorithm", "status"}, Buckets: bucketsA}
	DMARCVerify              = HistogramDef{Name: "mox_dmarc_verify_duration_seconds", Help: "Evaluation of DMARC policies; reject and use are yes or no.", Labels: []string{"status", "reject", "use"}, Buckets: bucketsA}
	SPFVerify                = HistogramDef{Name: "mox_spf_verify_duration_seconds", Help: "Evaluation of SPF.", Labels: []string{"status"}, Buckets: bucketsA}
	IPRevLookup              = HistogramDef{Name: "mox_iprev_lookup_total", Help: "Reverse lookups with confirmation. A histogram despite its name.", Labels: []string{"status"}, Buckets: bucketsA30}
	DNSLookup                = HistogramDef{Name: "mox_dns_lookup_duration_seconds", Help: "DNS lookups, by package, kind of lookup, and result: ok, nxdomain, temporary, timeout, canceled, error.", Labels: []string{"pkg", "type", "result"}, Buckets: bucketsA30}
	DNSBLLookup              = HistogramDef{Name: "mox_dnsbl_lookup_duration_seconds", Help: "Lookups in DNS blocklists.", Labels: []string{"zone", "status"}, Buckets: bucketsA}
	DNSBLIPsSuccess          = GaugeDef{Name: "mox_dnsbl_ips_success", Help: "1 for an own address that a DNS blocklist does not list, 0 for one that it lists.", Labels: []string{"zone", "ip"}}
	MTASTSGet                = HistogramDef{Name: "mox_mtasts_get_duration_seconds", Help: "Lookups of MTA-STS policies: ok, lookuperror, fetcherror.", Labels: []string{"result"}, Buckets: bucketsB20}
	MTASTSDBGet              = CounterDef{Name: "mox_mtastsdb_get_total", Help: "Uses of the MTA-STS policy cache.", Labels: []string{"result"}}
	TLSRPTLookup             = HistogramDef{Name: "mox_tlsrpt_lookup_duration_seconds", Help: "Lookups of TLS reporting records.", Labels: []string{"result"}, Buckets: bucketsA30}
	JunkTrained              = CounterDef{Name: "mox_junk_trained_total", Help: "Messages that junk filters learned from: added, removed, changed (classified otherwise), remade.", Labels: []string{"change"}}
	JunkJudged               = HistogramDef{Name: "mox_junk_judge_duration_seconds", Help: "Questions to junk filters: reputation, words.", Labels: []string{"what"}, Buckets: bucketsA}
	JunkRebuilt              = CounterDef{Name: "mox_junk_rebuilt_total", Help: "Work on all messages of an account for its junk filter, by reason: damage, log, params, request.", Labels: []string{"reason"}}
	SearchLag                = GaugeDef{Name: "mox_search_index_lag_seconds", Help: "How long the message waits that has waited longest for its account's full-text index. Searches look through such messages themselves, or take many at once into it."}
	SearchWaiting            = GaugeDef{Name: "mox_search_index_accounts", Help: "Accounts with work under way on their full-text index, or waiting for it."}
	SearchIndexed            = GaugeDef{Name: "mox_search_indexed_messages_total", Help: "Messages taken into full-text indexes since the start."}
	SearchRebuilds           = GaugeDef{Name: "mox_search_rebuilds_total", Help: "Full-text indexes that were found damaged in use and made anew, since the start."}
	SearchFailures           = GaugeDef{Name: "mox_search_failures_total", Help: "Attempts to bring a full-text index up to date that failed, since the start."}
	TracingSpans             = CounterDef{Name: "mox_tracing_spans_total", Help: "Spans for the collector of OpenTelemetry: sent, refused (by it), dropped (too many waited, or it could not be reached).", Labels: []string{"result"}}
	TraceDropped             = GaugeDef{Name: "mox_trace_dropped_total", Help: "Decisions about messages that could not be logged."}
	SubjectPassGenerate      = CounterDef{Name: "mox_subjectpass_generate_total", Help: "Subjectpass tokens made."}
	SubjectPassVerify        = CounterDef{Name: "mox_subjectpass_verify_total", Help: "Subjectpass tokens checked: ok, fail.", Labels: []string{"result"}}
)

// Reports.
var (
	DMARCDBPolicyEvaluated = CounterDef{Name: "mox_dmarcdb_policy_evaluated_total", Help: "Rows of DMARC reports received, by own domain.", Labels: []string{"domain", "disposition", "dkim", "spf"}}
	DMARCDBDKIMResult      = CounterDef{Name: "mox_dmarcdb_dkim_result_total", Help: "DKIM results in DMARC reports received.", Labels: []string{"result"}}
	DMARCDBSPFResult       = CounterDef{Name: "mox_dmarcdb_spf_result_total", Help: "SPF results in DMARC reports received.", Labels: []string{"result"}}
	DMARCDBReportQueued    = CounterDef{Name: "mox_dmarcdb_report_queued_total", Help: "DMARC reports queued for sending."}
	DMARCDBReportError     = CounterDef{Name: "mox_dmarcdb_report_error_total", Help: "DMARC reports that could not be made or queued."}
	TLSRPTDBSession        = CounterDef{Name: "mox_tlsrptdb_session_total", Help: "Sessions in TLS reports received, by result type of RFC 8460 and success.", Labels: []string{"type"}}
	TLSRPTSendReportQueued = CounterDef{Name: "mox_tlsrptsend_report_queued_total", Help: "TLS reports queued for sending."}
	TLSRPTSendReportError  = CounterDef{Name: "mox_tlsrptsend_report_error_total", Help: "TLS reports that could not be made or queued."}
)

// General.
var (
	Authentication            = CounterDef{Name: "mox_authentication_total", Help: "Authentication attempts, by kind (submission, imap, jmap, webmail, webapi, webaccount, webadmin), variant (mechanism) and result (ok, baduser, badpassword, badcreds, badchanbind, error, aborted, badprotocol, logindisabled).", Labels: []string{"kind", "variant", "result"}}
	AuthenticationRateLimited = CounterDef{Name: "mox_authentication_ratelimited_total", Help: "Authentication attempts refused for too many failures.", Labels: []string{"kind"}}
	Banned                    = CounterDef{Name: "mox_ban_total", Help: "Networks that were banned, by door (mail is port 25; logins is submission, IMAP, HTTP) and reason: authentication, recipients, protocol, scan, manual.", Labels: []string{"door", "reason"}}
	BanRefused                = CounterDef{Name: "mox_ban_refused_total", Help: "Connections and requests refused because their network is banned, by protocol: smtp, submission, imap, http.", Labels: []string{"protocol"}}
	BanNetworks               = GaugeDef{Name: "mox_ban_networks", Help: "Networks that are banned now, by door: mail, logins.", Labels: []string{"door"}}
	ProxyRefused              = CounterDef{Name: "mox_proxy_connection_refused_total", Help: "Connections closed on listeners with ProxyProtocol, by listener and reason: untrusted (not from a proxy), header (missing or bad), timeout, eof, pending (too many at once).", Labels: []string{"listener", "reason"}}
	Connections               = GaugeDef{Name: "mox_connections_count", Help: "Open connections for mail; protocol is smtp, lmtp, submission, submissions, imap or imaps. Those to ports of HTTPS are submissions or imaps.", Labels: []string{"protocol", "listener"}}
	Panic                     = CounterDef{Name: "mox_panic_total", Help: "Panics caught, by package.", Labels: []string{"pkg"}}
	LoggingInfo               = CounterDef{Name: "mox_logging_level_info_total", Help: "Lines logged at level info."}
	LoggingWarn               = CounterDef{Name: "mox_logging_level_warn_total", Help: "Lines logged at level warn."}
	LoggingError              = CounterDef{Name: "mox_logging_level_error_total", Help: "Lines logged at level error."}
	HTTPClientRequest         = HistogramDef{Name: "mox_httpclient_request_duration_seconds", Help: "Outgoing HTTP requests.", Labels: []string{"pkg", "method", "code", "result"}, Buckets: bucketsB}
	UpdatesLookup             = HistogramDef{Name: "mox_updates_lookup_duration_seconds", Help: "Lookups of the newest version: ok, notfound, badrecord, temperror.", Labels: []string{"result"}, Buckets: bucketsA30}
	UpdatesNewer              = GaugeDef{Name: "mox_updates_newer", Help: "1 when there is a newer version than the one that runs, with CheckUpdates in mox.conf."}
	BackupLast                = GaugeDef{Name: "mox_backup_last_timestamp_seconds", Help: "When the last backup was made that has everything, in seconds since 1970; 0: there was none."}
	BackupProven              = GaugeDef{Name: "mox_backup_last_proven_timestamp_seconds", Help: "When a backup was last restored by a drill and found to be whole, in seconds since 1970; 0: there was none."}
	BackupFailing             = GaugeDef{Name: "mox_backup_failing", Help: "1 when the last attempt has failed, by what: backup, drill.", Labels: []string{"what"}}
	ReplicaLag                = GaugeDef{Name: "mox_replica_lag_seconds", Help: "How long the oldest commit waits that is not in the replica yet."}
	ReplicaSnapshots          = GaugeDef{Name: "mox_replica_snapshots_total", Help: "Databases that were copied whole for the replica, since the start: to begin with, or because it had fallen too far behind."}
	UpdatesFetchChangelog     = HistogramDef{Name: "mox_updates_fetchchangelog_duration_seconds", Help: "Fetches of the changelog: ok, notmodified, unsigned, error.", Labels: []string{"result"}, Buckets: bucketsA30}
)

// All returns the definitions of every metric of mox itself, by kind.
func All() (counters []CounterDef, gauges []GaugeDef, histograms []HistogramDef) {
	counters = []CounterDef{
		SMTPServerConnectionRefused, SMTPServerRecipientRefused, SMTPServerHarvest, SMTPServerRateLimited, SMTPServerSlow, ProxyRefused,
		SMTPServerConnection, SMTPServerDelivery, SMTPServerSubmission, SMTPServerErrors, SMTPServerForward, SMTPServerDeliverySTARTTLS, SMTPServerDeliverySTARTTLSErrors,
		QueueConnection, QueueDMARCReportFailure, QueueDestinations, QueueDestinationsAuthentic, QueueDANERequired, QueueDANESTARTTLSUnverified, QueueDANEGatherTLSAErrors, QueueTLSRequiredNoIgnored, QueueRequireTLSUnsupported, QueuePlaintextFallback, SMTPClientTLSRequiredNoIgnored, QueueBounces, WebhookResults,
		IMAPConnection,
		WebmailSubmission, WebmailErrors, WebAPISubmission, WebAPIErrors, WebAPIResults, JMAPPush, AutoconfRequest, AutodiscoverRequest, SherpaRequests, SherpaErrors, SherpaProtocolErrors, SherpaBadFunction, SherpaJavaScriptRequest, SherpaJSONRequests,
		AutoTLSMissingServerName, AutoTLSUnknownServerName, AutoTLSCertRequestErrors, AutoTLSCertPut, DANEVerify, DANEVerifyErrors, DKIMSign, MTASTSDBGet, JunkTrained, JunkRebuilt, TracingSpans, SubjectPassGenerate, SubjectPassVerify,
		DMARCDBPolicyEvaluated, DMARCDBDKIMResult, DMARCDBSPFResult, DMARCDBReportQueued, DMARCDBReportError, TLSRPTDBSession, TLSRPTSendReportQueued, TLSRPTSendReportError,
		Authentication, AuthenticationRateLimited, Banned, BanRefused, Panic, LoggingInfo, LoggingWarn, LoggingError,
	}
	gauges = []GaugeDef{
		SMTPServerSlowSessions, SearchLag, SearchWaiting, SearchIndexed, SearchRebuilds, SearchFailures,
		UpdatesNewer, BackupLast, BackupProven, BackupFailing, ReplicaLag, ReplicaSnapshots, QueueHold,
		WebmailSSEConnections,
		DNSBLIPsSuccess, TLSCertificateExpiry,
		TraceDropped, BanNetworks,
		Connections,
	}
	histograms = []HistogramDef{
		SMTPServerCommand,
		QueueDelivery, SMTPClientCommand, WebhookRequest,
		IMAPCommand,
		HTTPServerRequest, HTTPServerResponse, JMAPCall, WebAPIRequest, SherpaRequest,
		DKIMVerify, DMARCVerify, SPFVerify, IPRevLookup, DNSLookup, DNSBLLookup, MTASTSGet, TLSRPTLookup, JunkJudged,
		HTTPClientRequest, UpdatesLookup, UpdatesFetchChangelog,
	}
	return counters, gauges, histograms
}
