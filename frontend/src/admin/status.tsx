// How the server is.
import type { Certificate, StatusSentence } from '../api/admin.ts'
import { useLoad } from '../shared/hooks.ts'
import { Button, Command, Page, Ready, Section, Table, When, say } from '../shared/ui.tsx'
import { api } from './client.ts'

const levels: Record<StatusSentence['Level'], [string, string]> = {
	urgent: ['Urgent', 'tag bad'],
	problem: ['Problem', 'tag warn'],
	hint: ['Hint', 'tag plain'],
}

function Sentence({ s }: { s: StatusSentence }) {
	const [title, look] = levels[s.Level]
	return <li>
		<p><span class={look}>{title}</span> {s.Text}</p>
		{s.Command && <Command text={s.Command} />}
	</li>
}

function CertificateState({ c }: { c: Certificate }) {
	if (c.LastError) return <span class="bad">{c.LastError}</span>
	if (!c.NotAfter) return <span class="warn">There is none yet.</span>
	if (Date.parse(c.NotAfter) < Date.now()) return <span class="bad">Ended <When time={c.NotAfter} />.</span>
	return <><span class={c.Soon ? 'warn' : undefined}>Ends <When time={c.NotAfter} />.</span>{c.NextRenewal && <span class="sub">Renewed <When time={c.NextRenewal} />.</span>}</>
}

function Certificates({ rows }: { rows: Certificate[] }) {
	if (rows.length === 0) return <p class="empty">There are none: no listener has TLS.</p>
	return <Table caption="Certificates for TLS" rows={rows} rowKey={(c, i) => c.Fingerprint || `${c.Names[0]} ${c.Kind} ${i}`} columns={[
		{ head: 'For', cell: c => <>{c.Names.map(n => <div key={n}>{n}</div>)}</> },
		{ head: 'State', cell: c => <CertificateState c={c} /> },
		{ head: 'From', cell: c => <>{c.Source === 'acme' ? <>ACME, {c.Provider}</> : c.File}<span class="sub">{[c.Kind && `${c.Kind.toUpperCase()} key`, c.Issuer && `issued by ${c.Issuer}`].filter(Boolean).join(', ')}</span></> },
	]} />
}

export function Status() {
	const status = useLoad(() => api.status())
	const look = async () => {
		await status.reload()
		say('Looked again.')
	}
	return <Page title="Status">
		<Ready from={status}>{d => <>
			<Section title={d.OK ? 'All is well' : 'What needs you'} actions={<Button small onClick={() => void look()}>Look again</Button>}>
				{d.OK && d.Summary && <p>{d.Summary}</p>}
				{d.Sentences.length > 0 && <ul class="cards">{d.Sentences.map(s => <Sentence key={s.Kind + s.Text} s={s} />)}</ul>}
				{d.Sentences.some(s => s.Command) && <p class="soft">Commands are for a terminal on the server.</p>}
			</Section>
			<Section title="Certificates"><Certificates rows={d.Certificates} /></Section>
		</>}</Ready>
	</Page>
}
