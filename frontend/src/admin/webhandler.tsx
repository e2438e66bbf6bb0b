// The form of a handler of web sites.
import { useState } from 'preact/hooks'
import type { WebForward, WebHandler, WebInternal, WebRedirect, WebStatic } from '../api/admin.ts'
import { useAction } from '../shared/hooks.ts'
import { codeOf, sentence } from '../shared/session.ts'
import { Button, Choice, Field, Form, Problem, Tick } from '../shared/ui.tsx'
import { Conflict, type Changing } from './changing.tsx'
import { errorsOf, headersText, kindOf, kinds, parseHeaders, replaced, withKind, type Kind } from './websites.ts'

interface Part<T> {
	value: T
	set: (value: T) => void
	error: (field: string) => string | undefined
	headers: string
	setHeaders: (text: string) => void
}

function Headers({ headers, setHeaders, error }: { headers: string; setHeaders: (text: string) => void; error: string | undefined }) {
	return <Field label="Header fields to add" name="headers" hint="One a line, such as “Cache-Control: max-age=3600”. May be empty." code rows={3} value={headers} onInput={setHeaders} error={error} />
}

function StaticFields({ value: v, set, error, headers, setHeaders }: Part<WebStatic>) {
	return <>
		<Field label="Directory" name="root" hint="Of the files, such as /srv/www/example.org. One that is new may need a restart of mox before it can be read." code value={v.Root} onInput={Root => set({ ...v, Root })} error={error('Root')} />
		<Field label="Strip from the path" name="stripprefix" hint="Removed from the start of the path before looking for the file. May be empty." code value={v.StripPrefix} onInput={StripPrefix => set({ ...v, StripPrefix })} error={error('StripPrefix')} />
		<Tick label="List the files of directories" hint="Where there is no index.html. Otherwise the answer is 403." checked={v.ListFiles} onChange={ListFiles => set({ ...v, ListFiles })} />
		<Tick label="Leave what is not there to the next handler" checked={v.ContinueNotFound} onChange={ContinueNotFound => set({ ...v, ContinueNotFound })} />
		<Headers headers={headers} setHeaders={setHeaders} error={error('ResponseHeaders')} />
	</>
}

function RedirectFields({ value: v, set, error }: Part<WebRedirect>) {
	return <>
		<Field label="To the site" name="baseurl" hint="A URL without path, such as https://example.org. Empty: the same site." code value={v.BaseURL} onInput={BaseURL => set({ ...v, BaseURL })} error={error('BaseURL')} />
		<Field label="Only paths that match" name="origpathregexp" hint="A regular expression, such as ^/old/(.*)$. Empty: all paths, and they are kept." code value={v.OrigPathRegexp} onInput={OrigPathRegexp => set({ ...v, OrigPathRegexp })} error={error('OrigPathRegexp')} />
		<Field label="New path" name="replacepath" hint="$1 stands for the first group of the expression above." code value={v.ReplacePath} onInput={ReplacePath => set({ ...v, ReplacePath })} error={error('ReplacePath')} />
		<Field label="Status" name="statuscode" hint="From 300 to 399; empty: 308, for ever." inputmode="numeric" code value={v.StatusCode === 0 ? '' : String(v.StatusCode)} onInput={s => set({ ...v, StatusCode: Number(s.replace(/[^0-9]/g, '').slice(0, 6)) })} error={error('StatusCode')} />
	</>
}

function ForwardFields({ value: v, set, error, headers, setHeaders }: Part<WebForward>) {
	return <>
		<Field label="URL of the other server" name="url" hint="Such as http://127.0.0.1:8080. The path of the request is appended." code value={v.URL} onInput={URL => set({ ...v, URL })} error={error('URL')} />
		<Tick label="Strip the matched path" hint="What the expression for the path matches is removed from it." checked={v.StripPath} onChange={StripPath => set({ ...v, StripPath })} />
		<Headers headers={headers} setHeaders={setHeaders} error={error('ResponseHeaders')} />
	</>
}

const services: [string, string][] = [['account', 'Account pages'], ['admin', 'Admin pages'], ['webapi', 'HTTP API']]

function InternalFields({ value: v, set, error }: Part<WebInternal>) {
	const known = services.some(([s]) => s === v.Service) ? services : [...services, [v.Service, v.Service] as [string, string]]
	return <>
		<Choice label="Application" value={v.Service} options={known} onChange={Service => set({ ...v, Service })} />
		{error('Service') && <p class="fielderror">{error('Service')}</p>}
		{v.Service === 'admin' && <p class="warn">Whoever reaches this domain can then try passwords on the admin pages.</p>}
		<Field label="Path" name="basepath" hint="At which it is served, ending with a slash, such as /mail/." code value={v.BasePath} onInput={BasePath => set({ ...v, BasePath })} error={error('BasePath')} />
	</>
}

// HandlerForm changes a handler, or adds one (index -1).
export function HandlerForm({ changing, of, index, onClose }: { changing: Changing; of: WebHandler; index: number; onClose: () => void }) {
	const [h, setH] = useState(of)
	const [kept, setKept] = useState(of) // settings of other kinds, should one go back to them
	const [headers, setHeaders] = useState(headersText(of.WebStatic?.ResponseHeaders ?? of.WebForward?.ResponseHeaders ?? {}))
	const [headersError, setHeadersError] = useState<string>()
	const action = useAction()
	const kind = kindOf(h)
	const at = index < 0 ? changing.config.WebHandlers.length : index
	const changed = codeOf(action.cause) === 'user:changed'
	const errors = changed ? { fields: {}, rest: [] } : errorsOf(action.error ?? '', `WebHandlers[${at}]`)
	const own: Record<string, string> = errors.fields
	const general = [...errors.rest, own[kind] ?? ''].filter(text => text !== '')
	const error = (field: string) => {
		const text = own[`${kind}.${field}`] ?? own[field]
		return text ? sentence(text) : field === 'ResponseHeaders' ? headersError : undefined
	}
	const choose = (next: Kind) => {
		const all = { ...kept, [kind]: h[kind] }
		setKept(all)
		setH(withKind(h, next, all))
		action.clear()
	}
	const send = async () => {
		const parsed = parseHeaders(headers)
		setHeadersError(parsed.error)
		if (parsed.error) return
		const next: WebHandler = {
			...h, LogName: h.LogName.trim(), Domain: h.Domain.trim(), PathRegexp: h.PathRegexp.trim(),
			WebStatic: h.WebStatic && { ...h.WebStatic, ResponseHeaders: parsed.headers },
			WebForward: h.WebForward && { ...h.WebForward, ResponseHeaders: parsed.headers },
		}
		if (await changing.save(action, 'Handler saved.', c => {
			const list = index < 0 ? [...c.WebHandlers, next] : replaced(c.WebHandlers, of, index, next)
			return list && { ...c, WebHandlers: list }
		})) onClose()
	}
	const part = { error, headers, setHeaders }
	return <div class="panel"><Form label={index < 0 ? 'New handler' : `Handler ${index + 1}`} onSubmit={() => void send()}>
		<Field label="Domain" name="domain" hint="Of the request." code placeholder="example.org" value={h.Domain} onInput={Domain => setH({ ...h, Domain })} error={error('Domain')} />
		<Field label="Path" name="pathregexp" hint="A regular expression that starts with ^, such as ^/ for all paths or ^/app/ for those below it." code value={h.PathRegexp} onInput={PathRegexp => setH({ ...h, PathRegexp })} error={error('PathRegexp')} />
		<Choice label="What it does" value={kind} options={kinds} onChange={v => choose(v as Kind)} />
		{h.WebStatic && <StaticFields {...part} value={h.WebStatic} set={WebStatic => setH({ ...h, WebStatic })} />}
		{h.WebRedirect && <RedirectFields {...part} value={h.WebRedirect} set={WebRedirect => setH({ ...h, WebRedirect })} />}
		{h.WebForward && <ForwardFields {...part} value={h.WebForward} set={WebForward => setH({ ...h, WebForward })} />}
		{h.WebInternal && <InternalFields {...part} value={h.WebInternal} set={WebInternal => setH({ ...h, WebInternal })} />}
		<Field label="Name in logs" name="logname" hint="May be empty: then it is its number." code value={h.LogName} onInput={LogName => setH({ ...h, LogName })} error={error('LogName')} />
		<Tick label="Also without TLS" hint="Otherwise plain requests are redirected to HTTPS." checked={h.DontRedirectPlainHTTP} onChange={DontRedirectPlainHTTP => setH({ ...h, DontRedirectPlainHTTP })} />
		<Tick label="Compress answers" hint="Not for pages that show secrets beside what others can choose." checked={h.Compress} onChange={Compress => setH({ ...h, Compress })} />
		<Conflict action={action} reload={changing.reload} />
		<Problem text={action.error && !changed ? general.map(sentence).join(' ') || 'Not saved: see the fields above.' : undefined} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>Save</Button><Button onClick={onClose}>Cancel</Button></div>
	</Form></div>
}
