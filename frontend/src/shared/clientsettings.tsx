// How mail programs connect.
import { Section, Value } from './ui.tsx'

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
	TLS: 'SSL/TLS (from the start)',
	STARTTLS: 'STARTTLS',
	optional: 'STARTTLS, if you can choose it',
	none: 'None: only for this machine and its own network',
}

function Facts({ kind, way, username }: { kind: string; way: Way; username: string }) {
	return <dl class="facts">
		<div><dt>Server</dt><dd><Value text={way.Host} what={`server for ${kind}`} /></dd></div>
		<div><dt>Port</dt><dd><Value text={String(way.Port)} what={`port for ${kind}`} /></dd></div>
		<div><dt>Security</dt><dd>{security[way.TLS]}{way.ALPN && <span class="sub">Port shared with HTTPS: the program has to ask for ALPN “{way.ALPN}”.</span>}{!way.Public && <span class="sub">Not from the internet: only on this machine or its own network.</span>}</dd></div>
		<div><dt>User name</dt><dd>{username ? <Value text={username} what={`user name for ${kind}`} /> : 'the email address'}</dd></div>
		<div><dt>Password</dt><dd>that of the account</dd></div>
	</dl>
}

// Ways shows the best way to connect, and the others when asked.
function Ways({ title, kind, ways, username }: { title: string; kind: string; ways: Way[]; username: string }) {
	const [best, ...others] = ways
	return <Section title={title}>
		{best ? <Facts kind={kind} way={best} username={username} /> : <p class="empty">The server does not offer this.</p>}
		{others.length > 0 && <details>
			<summary>Other ways</summary>
			<ul>{others.map(w => <li key={`${w.Host} ${w.Port} ${w.ALPN}`}>{w.Host}, port {w.Port}, {security[w.TLS]}{w.ALPN && `, ALPN “${w.ALPN}”`}{!w.Public && ' (not from the internet)'}</li>)}</ul>
		</details>}
	</Section>
}

// ClientSettings has what is typed into a mail program.
export function ClientSettings({ settings: s }: { settings: Settings }) {
	return <>
		<Ways title="Reading mail (IMAP)" kind="IMAP" ways={s.IMAP} username={s.Username} />
		<Ways title="Sending mail (SMTP)" kind="SMTP" ways={s.Submission} username={s.Username} />
		<p class="soft">If a program asks how to log in, choose “encrypted password” or “normal password” over TLS. The server offers {s.Mechanisms.join(', ')}.</p>
	</>
}
