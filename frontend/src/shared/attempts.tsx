// Attempts to sign in, of one account or of all.
import type { Attempt } from '../api/account.ts'
import { browser, count } from './format.ts'
import { Table, When, type Column } from './ui.tsx'

const protocols: Record<string, string> = {
	submission: 'Sending mail (SMTP)',
	imap: 'Reading mail (IMAP)',
	webapi: 'HTTP API',
	webaccount: 'Account pages',
	webadmin: 'Admin pages',
	webmail: 'Webmail',
	jmap: 'Mail programs (JMAP)',
}

const results: Record<string, string> = {
	ok: 'Signed in',
	badcreds: 'Wrong name or password',
	baduser: 'Not allowed as that user',
	logindisabled: 'Refused: login is disabled',
	aborted: 'Given up half-way',
	badprotocol: 'Refused: not understood',
	badchanbind: 'Refused: somebody may have been in between',
	error: 'A failure of the server',
}

// resultText says what became of an attempt.
export function resultText(result: string): string {
	return results[result] ?? result
}

// tlsVersion leaves out the cipher suite.
function tlsVersion(tls: string): string {
	return tls.split(' ').slice(0, 2).join(' ')
}

function Result({ a }: { a: Attempt }) {
	return <>
		<span class={a.Result === 'ok' ? 'ok' : 'bad'}>{resultText(a.Result)}</span>
		{a.Count > 1 && <span class="soft"> {count(a.Count, 'time')}</span>}
	</>
}

// Attempts is the table of them. Accounts are shown where there is more than one.
export function Attempts({ rows, accounts }: { rows: Attempt[]; accounts?: boolean }) {
	if (rows.length === 0) return <p class="empty">Nobody has tried to sign in yet.</p>
	const columns: Column<Attempt>[] = [
		{ head: 'When', cell: a => <When time={a.Last} /> },
		{ head: 'Result', cell: a => <Result a={a} /> },
		{ head: 'For', cell: a => <>{protocols[a.Protocol] ?? a.Protocol}{a.UserAgent && <span class="sub">{browser(a.UserAgent)}</span>}</> },
		{ head: 'From', cell: a => <>{a.RemoteIP}<span class="sub" title={a.TLS}>{tlsVersion(a.TLS) || 'without TLS'}</span></> },
	]
	if (accounts) columns.splice(1, 0, { head: 'Account', cell: a => <>{a.Account === '-' ? <span class="soft">unknown name</span> : a.Account === '(admin)' ? 'administrator' : a.Account}{a.LoginAddress && <span class="sub">{a.LoginAddress}</span>}</> })
	return <Table caption="Attempts to sign in, newest first" columns={columns} rows={rows} rowKey={(a, i) => `${a.Last} ${i}`} />
}
