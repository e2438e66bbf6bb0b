-- Times are seconds since 1970, days and hours since 1970 in UTC. Domains are ASCII, lower case.

-- What became of TLS with other servers, to be reported after the day. "domain" is whom the
-- report is for: the recipient domain, or for host=1 the base domain of TLSA records of its MX.
CREATE TABLE tls_result (
	day INTEGER NOT NULL,
	domain TEXT NOT NULL,
	recipient TEXT NOT NULL,
	host INTEGER NOT NULL,
	send INTEGER NOT NULL, -- there was a session that a report is to be sent for
	results BLOB NOT NULL, -- JSON of []tlsrpt.Result
	PRIMARY KEY (day, domain, recipient, host)
) WITHOUT ROWID;

-- Messages that DMARC was evaluated for, those of an hour that are alike in one row.
CREATE TABLE evaluation (
	domain TEXT NOT NULL, -- of the policy record
	hour INTEGER NOT NULL,
	hash BLOB NOT NULL, -- of data, optional and interval
	optional INTEGER NOT NULL,
	interval INTEGER NOT NULL, -- seconds
	count INTEGER NOT NULL,
	data BLOB NOT NULL, -- JSON of policy and record
	PRIMARY KEY (domain, hour, hash)
) WITHOUT ROWID;
CREATE INDEX evaluation_hour ON evaluation (hour);

-- Reports of others about TLS, and their summaries for each domain.
CREATE TABLE tls_report (
	id INTEGER PRIMARY KEY,
	key BLOB NOT NULL UNIQUE, -- hash of reporter, report id and range
	received INTEGER NOT NULL,
	begin INTEGER NOT NULL,
	end INTEGER NOT NULL,
	reporter TEXT NOT NULL, -- verified domain
	host INTEGER NOT NULL, -- came to the address of the host
	report BLOB NOT NULL -- zstd of JSON
);
CREATE INDEX tls_report_received ON tls_report (received);
CREATE TABLE tls_report_domain (
	domain TEXT NOT NULL,
	begin INTEGER NOT NULL,
	report INTEGER NOT NULL,
	success INTEGER NOT NULL,
	failure INTEGER NOT NULL,
	types TEXT NOT NULL, -- JSON: failed sessions by result type
	PRIMARY KEY (domain, begin, report)
) WITHOUT ROWID;
CREATE INDEX tls_report_domain_report ON tls_report_domain (report);

-- Aggregate reports of others about DMARC.
CREATE TABLE dmarc_report (
	id INTEGER PRIMARY KEY,
	key BLOB NOT NULL UNIQUE,
	received INTEGER NOT NULL,
	begin INTEGER NOT NULL,
	end INTEGER NOT NULL,
	domain TEXT NOT NULL,
	reporter TEXT NOT NULL, -- verified domain
	summary TEXT NOT NULL, -- JSON of dmarcrpt.Summary
	report BLOB NOT NULL
);
CREATE INDEX dmarc_report_received ON dmarc_report (received);
CREATE INDEX dmarc_report_domain ON dmarc_report (domain, begin);

-- Addresses that get no reports for a time.
CREATE TABLE suppression (
	id INTEGER PRIMARY KEY,
	kind TEXT NOT NULL, -- "dmarc" or "tls"
	address TEXT NOT NULL, -- lower case
	added INTEGER NOT NULL,
	until INTEGER NOT NULL,
	comment TEXT NOT NULL,
	UNIQUE (kind, address)
);
