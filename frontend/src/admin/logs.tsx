// How much is written to the log.
import { useState } from 'preact/hooks'
import type { LogLevel } from '../api/admin.ts'
import { useAction, useLoad } from '../shared/hooks.ts'
import { Button, Choice, Field, Form, Page, Problem, Ready, Section, Table, say } from '../shared/ui.tsx'
import { api } from './client.ts'

type Level = LogLevel['Level']

const levels: [Level, string][] = [
	['error', 'error: failures'],
	['warn', 'warn: and what is suspicious'],
	['info', 'info: and what is done'],
	['debug', 'debug: and how'],
	['trace', 'trace: and protocols, without secrets'],
	['traceauth', 'traceauth: and passwords'],
	['tracedata', 'tracedata: and messages'],
	['fatal', 'fatal: only what ends the server'],
	['print', 'print: almost nothing'],
]

function isLevel(s: string): s is Level {
	return levels.some(([l]) => l === s)
}

export function Logs() {
	const list = useLoad(() => api.logLevels())
	const [name, setName] = useState('')
	const [level, setLevel] = useState<Level>('debug')
	const action = useAction()
	const set = () => void action.run(async () => {
		await api.logLevelSet({ Package: name.trim(), Level: level })
		await list.reload()
		say(name.trim() ? `The level of ${name.trim()} is now ${level}.` : `The level is now ${level}.`)
	})
	const remove = (l: LogLevel) => void action.run(async () => {
		await api.logLevelRemove({ Package: l.Package })
		await list.reload()
		say(`${l.Package} has the default level again.`)
		document.querySelector('h1')?.focus({ preventScroll: true })
	})
	return <Page title="Log levels" lead="How much is written to the log, until the server stops. Then the levels of mox.conf count again.">
		<Section title="Now"><Ready from={list}>{d => <Table caption="Log levels" rows={d.LogLevels} rowKey={l => l.Package || '(default)'} columns={[
			{ head: 'Package', cell: l => l.Package || 'All others' },
			{ head: 'Level', cell: l => l.Level },
			{ head: 'Action', action: true, cell: l => l.Package && <Button small label={`Remove the level of ${l.Package}`} onClick={() => remove(l)}>Remove</Button> },
		]} />}</Ready></Section>
		<Section title="Set a level"><Form label="Set a level" onSubmit={set}>
			<Field label="Package" name="package" hint="Such as smtpserver or imapserver. Leave it empty for all that have no level of their own." code value={name} onInput={setName} />
			<Choice label="Level" value={level} options={levels} onChange={v => isLevel(v) && setLevel(v)} />
			{(level === 'traceauth' || level === 'tracedata') && <p class="warn">The log will have {level === 'traceauth' ? 'passwords' : 'passwords and messages'} of users. Go back to another level soon.</p>}
			<Problem text={action.error} />
			<div class="buttons"><Button type="submit" main busy={action.busy}>Set the level</Button></div>
		</Form></Section>
	</Page>
}
