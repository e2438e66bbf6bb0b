// Domains, and what each needs in DNS and in mail programs.
import type { DNSRecord, Domain } from '../api/admin.ts'
import { ClientSettings } from '../shared/clientsettings.tsx'
import { useLoad } from '../shared/hooks.ts'
import { link, route } from '../shared/router.ts'
import { Command, Copy, Page, Ready, Section, Value } from '../shared/ui.tsx'
import { api } from './client.ts'

// States are what is special about a domain.
function States({ d }: { d: Domain }) {
	return <>
		{d.Disabled && <> <span class="tag warn">Disabled</span></>}
		{d.ReportsOnly && <> <span class="tag plain">Reports only</span></>}
	</>
}

function List() {
	const domains = useLoad(() => api.domains())
	return <Page title="Domains" lead="For each: the DNS records to publish, and the settings for mail programs.">
		<Ready from={domains}>{r => r.Domains.length === 0
			? <><p class="empty">There are none yet. On the server:</p><Command text="mox config domain add example.org account" /></>
			: <ul class="cards">{r.Domains.map(d => <li key={d.Name}>
				<a href={link('domains', d.Name)}>{d.Name}</a><States d={d} />
				{d.Description && <p class="soft">{d.Description}</p>}
			</li>)}</ul>}</Ready>
	</Page>
}

function Record({ r }: { r: DNSRecord }) {
	const what = `${r.Type} record ${r.Name}`
	return <li>
		<p class="soft">{r.Purpose}</p>
		{r.Precondition && <p class="warn">Only when: {r.Precondition}</p>}
		<dl class="record">
			<div><dt>Name</dt><dd><Value text={r.Name} what={`name of ${what}`} /></dd></div>
			<div><dt>Type</dt><dd><code>{r.Type}</code></dd></div>
			{r.Value && <div><dt>Value</dt><dd><Value text={r.Value} what={`value of ${what}`} /></dd></div>}
		</dl>
	</li>
}

function Records({ records, zone }: { records: DNSRecord[]; zone: string }) {
	const sections = [...new Set(records.map(r => r.Section))]
	return <Section title="DNS records" actions={<Copy text={zone} what="zone text">Copy all as zone text</Copy>}>
		<p class="soft">Publish these where the domain's DNS is kept. Some providers want names without the domain at the end.</p>
		{sections.map(s => <div key={s}>
			<h3>{s}</h3>
			<ul class="cards">{records.filter(r => r.Section === s).map((r, i) => <Record key={`${r.Name} ${r.Type} ${i}`} r={r} />)}</ul>
		</div>)}
		<details><summary>All as zone text</summary><pre tabIndex={0} role="region" aria-label="Zone text">{zone}</pre></details>
	</Section>
}

function One({ name }: { name: string }) {
	const domains = useLoad(() => api.domains(), name)
	const records = useLoad(() => api.domainRecords({ Domain: name }), name)
	const d = domains.data?.Domains.find(x => x.Name === name)
	const clients = useLoad(() => api.clientConfigsDomain({ Domain: name }), name)
	return <Page title={name}>
		<div class="facing">
			{d && (d.Description || d.Disabled || d.ReportsOnly) && <p>{d.Description}<States d={d} /></p>}
			{d && d.ASCII !== d.Name && <p class="soft">In DNS: <code>{d.ASCII}</code></p>}
			<p><a href={link('domains')}>All domains</a></p>
		</div>
		<Ready from={records}>{r => <>
			<Records records={r.Records} zone={r.Zone} />
			<p class="soft">Whether they are published and right, this tells on the server:</p>
			<Command text={`mox config dnscheck ${name}`} />
		</>}</Ready>
		<div class="apart">
			{!d?.ReportsOnly && <Ready from={clients}>{c => <ClientSettings settings={c} title="Settings for mail programs" />}</Ready>}
		</div>
	</Page>
}

export function Domains() {
	const [name] = route.value.args
	return name ? <One name={name} /> : <List />
}
