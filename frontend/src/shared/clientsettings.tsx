// How mail programs connect.
import { Section, Table, Value } from './ui.tsx'

interface Way {
	Host: string
	Port: number
	TLS: 'TLS' | 'STARTTLS' | 'optional' | 'none'
	ALPN: string
	Public: boolean
	Note: string
}

export interface Settings {
	Username: string
	Mechanisms: string[]
	IMAP: Way[]
	Submission: Way[]
}

const security: Record<Way['TLS'], string> = {
	TLS: 'SSL/TLS',
	STARTTLS: 'STARTTLS',
	optional: 'STARTTLS, if you can choose it',
	none: 'None: only for this machine and its own network',
}

// Security says how a connection begins, and what is special about it.
function Security({ way }: { way: Way }) {
	return <>
		{security[way.TLS]}
		{way.ALPN && <span class="sub">The port is shared with HTTPS: the program has to ask for ALPN “{way.ALPN}”.</span>}
		{!way.Public && <span class="sub">Not from the internet: only on this machine or its own network.</span>}
	</>
}

interface Row {
	title: string
	kind: string
	way: Way
}

function others(s: Settings): Row[] {
	const row = (title: string, kind: string) => (way: Way): Row => ({ title, kind, way })
	return [...s.IMAP.slice(1).map(row('Reading mail', 'IMAP')), ...s.Submission.slice(1).map(row('Sending mail', 'SMTP'))]
}

// ClientSettings has what is typed into a mail program: the best way for reading and for sending, and the others when
// asked.
export function ClientSettings({ settings: s, title }: { settings: Settings; title: string }) {
	const rows: Row[] = []
	if (s.IMAP[0]) rows.push({ title: 'Reading mail', kind: 'IMAP', way: s.IMAP[0] })
	if (s.Submission[0]) rows.push({ title: 'Sending mail', kind: 'SMTP', way: s.Submission[0] })
	const more = others(s)
	return <Section title={title}>
		<dl class="facts plainly">
			<div><dt>User name</dt><dd>{s.Username ? <Value text={s.Username} what="user name" /> : 'the whole email address'}</dd></div>
			<div><dt>Password</dt><dd>that of the account</dd></div>
		</dl>
		{rows.length === 0 ? <p class="empty">The server offers neither IMAP nor submission.</p> : <Table caption={title} rows={rows} rowKey={r => r.kind} columns={[
			{ head: 'For', cell: r => <>{r.title}<span class="sub">{r.kind}</span></> },
			{ head: 'Server', cell: r => <Value text={r.way.Host} what={`server for ${r.kind}`} /> },
			{ head: 'Port', cell: r => <Value text={String(r.way.Port)} what={`port for ${r.kind}`} /> },
			{ head: 'Security', cell: r => <Security way={r.way} /> },
		]} />}
		{more.length > 0 && <details>
			<summary>Other ways</summary>
			<ul>{more.map(({ kind, way: w }) => <li key={`${kind} ${w.Host} ${w.Port} ${w.ALPN}`}>{kind}: {w.Host}, port {w.Port}, {security[w.TLS]}{w.ALPN && `, ALPN “${w.ALPN}”`}{!w.Public && ' (not from the internet)'}</li>)}</ul>
		</details>}
		<p class="soft">If a program asks how to log in, choose “encrypted password” or “normal password”. The server offers {s.Mechanisms.join(', ')}.</p>
	</Section>
}
