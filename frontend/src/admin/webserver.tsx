// Web sites: redirects of domains, and handlers in their order. Each change is saved at once.
import { useState } from 'preact/hooks'
import type { DomainRedirect, WebHandler, WebserverConfig } from '../api/admin.ts'
import { useAction, useLoad, type Action } from '../shared/hooks.ts'
import { codeOf } from '../shared/session.ts'
import { Ask, Button, Field, Form, Page, Problem, Ready, Section, say } from '../shared/ui.tsx'
import { Conflict, type Changing } from './changing.tsx'
import { api } from './client.ts'
import { HandlerForm } from './webhandler.tsx'
import { blank, details, errorsOf, moved, replaced, summary } from './websites.ts'

const gone = new Error('It is no longer as it was when you began. Close this, look at what is there now, and begin again')

function toHeading(): void {
	document.querySelector('h1')?.focus({ preventScroll: true })
}

// failure is what is said of an error beside the fields.
function failure(action: Action, rest: string[]): string | undefined {
	if (!action.error || codeOf(action.cause) === 'user:changed') return undefined
	return rest.join(' ') || undefined
}

function RedirectForm({ changing, of, onClose }: { changing: Changing; of?: DomainRedirect; onClose: () => void }) {
	const [from, setFrom] = useState(of?.From ?? '')
	const [to, setTo] = useState(of?.To ?? '')
	const action = useAction()
	const errors = errorsOf(action.error ?? '', `WebDomainRedirects.${from.trim()}`)
	const send = async () => {
		const next = { From: from.trim(), To: to.trim() }
		const done = await changing.save(action, 'Redirect saved.', c => {
			const list = of ? replaced(c.WebDomainRedirects, of, c.WebDomainRedirects.findIndex(r => r.From === of.From), next) : [...c.WebDomainRedirects, next]
			if (list && list.filter(r => r.From === next.From).length > 1) throw new Error(`There is a redirect from ${next.From} already`)
			return list && { ...c, WebDomainRedirects: list }
		})
		if (done) onClose()
	}
	return <div class="panel"><Form label="Redirect" onSubmit={() => void send()}>
		<Field label="From the domain" name="from" code placeholder="www.example.org" value={from} onInput={setFrom} />
		<Field label="To the domain" name="to" code placeholder="example.org" value={to} onInput={setTo} />
		<Conflict action={action} reload={changing.reload} />
		<Problem text={failure(action, errors.rest)} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>Save</Button><Button onClick={onClose}>Cancel</Button></div>
	</Form></div>
}

// Remove asks, and removes.
function Remove({ changing, title, text, make, onClose }: { changing: Changing; title: string; text: string; make: (c: WebserverConfig) => WebserverConfig | null; onClose: () => void }) {
	const action = useAction()
	const yes = async () => {
		if (await changing.save(action, 'Removed.', make)) onClose()
	}
	return <Ask title={title} action="Remove" danger busy={action.busy} error={action.error} onYes={() => void yes()} onNo={() => {
		onClose()
		if (codeOf(action.cause) === 'user:changed') void changing.reload()
	}}><p>{text}</p></Ask>
}

function Redirects({ changing }: { changing: Changing }) {
	const list = changing.config.WebDomainRedirects
	const [form, setForm] = useState<string | null>(null) // domain of the redirect that is changed, "" for a new one
	const [removing, setRemoving] = useState<DomainRedirect>()
	const close = () => {
		setForm(null)
		toHeading()
	}
	return <Section title="Redirects of domains" actions={form !== '' && <Button small onClick={() => setForm('')}>Add a redirect</Button>}>
		<p class="soft">All of a domain goes to another one, path and query kept. They come before handlers.</p>
		{form === '' && <RedirectForm changing={changing} onClose={close} />}
		{list.length === 0 ? <p class="empty">There are none.</p> : <ul class="cards">{list.map(r => <li key={r.From}>
			{form === r.From ? <RedirectForm changing={changing} of={r} onClose={close} /> : <div class="row wrap">
				<div><strong>{r.From}</strong> to <strong>{r.To}</strong></div>
				<div class="actions"><Button small label={`Edit redirect from ${r.From}`} onClick={() => setForm(r.From)}>Edit</Button><Button small label={`Remove redirect from ${r.From}`} onClick={() => setRemoving(r)}>Remove</Button></div>
			</div>}
		</li>)}</ul>}
		{removing && <Remove changing={changing} title="Remove this redirect?" text={`${removing.From} no longer leads to ${removing.To}.`} onClose={() => setRemoving(undefined)} make={c => {
			const l = replaced(c.WebDomainRedirects, removing, 0)
			return l && { ...c, WebDomainRedirects: l }
		}} />}
	</Section>
}

interface CardProps {
	handler: WebHandler
	index: number
	last: boolean
	busy: boolean
	onEdit: () => void
	onMove: (by: number) => void
	onRemove: () => void
}

function HandlerCard({ handler: h, index, last, busy, onEdit, onMove, onRemove }: CardProps) {
	const name = h.LogName || `handler ${index + 1}`
	const more = details(h)
	return <>
		<h3><span class="number">{index + 1}</span> {h.Domain} <code>{h.PathRegexp}</code></h3>
		<p>{summary(h)}</p>
		<p class="soft">{[h.LogName && `Named ${h.LogName} in logs`, ...more].filter(Boolean).join('; ')}</p>
		<div class="actions" data-handler={index}>
			<Button small label={`Edit ${name}`} onClick={onEdit}>Edit</Button>
			{index > 0 && <Button small busy={busy} label={`Move ${name} up`} onClick={() => onMove(-1)}>Move up</Button>}
			{!last && <Button small busy={busy} label={`Move ${name} down`} onClick={() => onMove(1)}>Move down</Button>}
			<Button small label={`Remove ${name}`} onClick={onRemove}>Remove</Button>
		</div>
	</>
}

function Handlers({ changing }: { changing: Changing }) {
	const list = changing.config.WebHandlers
	const [form, setForm] = useState<{ index: number; of: WebHandler } | null>(null) // index -1: a new one
	const [removing, setRemoving] = useState<{ index: number; of: WebHandler } | null>(null)
	const action = useAction()
	const close = () => {
		setForm(null)
		toHeading()
	}
	const move = async (h: WebHandler, index: number, by: number) => {
		const done = await changing.save(action, `Moved ${by < 0 ? 'up' : 'down'}.`, c => {
			const l = moved(c.WebHandlers, h, index, by)
			return l && { ...c, WebHandlers: l }
		})
		// The focus stays with the handler, so that it can be moved on.
		if (done) setTimeout(() => document.querySelector<HTMLElement>(`[data-handler="${index + by}"] button[aria-label$="${by < 0 ? 'up' : 'down'}"], [data-handler="${index + by}"] button`)?.focus(), 50)
	}
	return <Section title="Handlers" actions={form?.index !== -1 && <Button small onClick={() => setForm({ index: -1, of: blank() })}>Add a handler</Button>}>
		<p class="soft">The first one whose domain and path fit serves a request: put special paths before general ones.</p>
		<Conflict action={action} reload={changing.reload} />
		<Problem text={failure(action, errorsOf(action.error ?? '', ' ').rest)} />
		{form?.index === -1 && <HandlerForm changing={changing} of={form.of} index={-1} onClose={close} />}
		{list.length === 0 ? <p class="empty">There are none.</p> : <ol class="cards">{list.map((h, i) => <li key={i}>
			{form?.index === i
				? <HandlerForm changing={changing} of={form.of} index={i} onClose={close} />
				: <HandlerCard handler={h} index={i} last={i === list.length - 1} busy={action.busy} onEdit={() => setForm({ index: i, of: h })} onMove={by => void move(h, i, by)} onRemove={() => setRemoving({ index: i, of: h })} />}
		</li>)}</ol>}
		{removing && <Remove changing={changing} title="Remove this handler?" text={`${removing.of.Domain} ${removing.of.PathRegexp}: ${summary(removing.of)}`} onClose={() => setRemoving(null)} make={c => {
			const l = replaced(c.WebHandlers, removing.of, removing.index)
			return l && { ...c, WebHandlers: l }
		}} />}
	</Section>
}

export function WebServer() {
	const loaded = useLoad(() => api.webserverConfig())
	const save = (config: WebserverConfig): Changing['save'] => (action, what, make) => action.run(async () => {
		const next = make(config)
		if (!next) throw gone
		const { Config } = await api.webserverConfigSave({ Old: config, New: next })
		loaded.set({ Config, Enabled: true })
		say(what)
	})
	return <Page title="Web server" lead="Web sites beside mail. Each change is checked, then saved to domains.conf, and works at once.">
		<Ready from={loaded}>{d => {
			if (!d.Enabled) return <p>No listener serves web sites. Switch on <code>WebserverHTTPS</code> or <code>WebserverHTTP</code> for one in mox.conf, and start mox anew.</p>
			const changing = { config: d.Config, save: save(d.Config), reload: loaded.reload }
			return <><Redirects changing={changing} /><Handlers changing={changing} /></>
		}}</Ready>
	</Page>
}
