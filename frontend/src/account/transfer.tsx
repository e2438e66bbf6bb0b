// Mail of elsewhere into the account, and a copy of it out.
import { useEffect, useRef, useState } from 'preact/hooks'
import { bytes, count, number } from '../shared/format.ts'
import { useAction, useLoad } from '../shared/hooks.ts'
import { sentence } from '../shared/session.ts'
import { Ask, Button, Choice, Field, Form, Page, Problem, Ready, Section, Table, Tick, say, toHeading } from '../shared/ui.tsx'
import { account, api, refresh } from './client.ts'
import { cancel, choose, chosen, current, download, forget, send, stop, type Import as Importing } from './importing.ts'
import { summary, total, type Progress } from './progress.ts'

// dropped returns the file that was dropped, or why it cannot be taken.
function dropped(data: DataTransfer): File | string {
	const item = [...data.items].find(i => i.kind === 'file')
	if (item?.webkitGetAsEntry?.()?.isDirectory) return 'That is a folder. Pack it into a zip file, and take that.'
	if (data.files.length !== 1) return 'Take one file. Several can be packed into a zip file.'
	return data.files[0]!
}

// useDrop takes files that are dropped anywhere on the page, and tells that one is held above it.
function useDrop(take: (file: File | string) => void): boolean {
	const [over, setOver] = useState(false)
	const run = useRef(take)
	run.current = take
	useEffect(() => {
		const files = (e: DragEvent) => e.dataTransfer?.types.includes('Files')
		const onOver = (e: DragEvent) => {
			if (!files(e)) return
			e.preventDefault()
			setOver(true)
		}
		const onLeave = (e: DragEvent) => {
			if (!e.relatedTarget) setOver(false)
		}
		const onDrop = (e: DragEvent) => {
			setOver(false)
			if (!files(e)) return
			e.preventDefault()
			run.current(dropped(e.dataTransfer!))
		}
		document.addEventListener('dragover', onOver)
		document.addEventListener('dragleave', onLeave)
		document.addEventListener('drop', onDrop)
		return () => {
			document.removeEventListener('dragover', onOver)
			document.removeEventListener('dragleave', onLeave)
			document.removeEventListener('drop', onDrop)
		}
	}, [])
	return over
}

// ImportForm asks for a file, and sends it.
function ImportForm({ failed }: { failed: string }) {
	const { file, prefix } = chosen.value
	const [problem, setProblem] = useState('')
	const input = useRef<HTMLInputElement>(null)
	const take = (f: File | string | undefined) => {
		if (f === undefined) return // the choice was called off
		if (typeof f === 'string') {
			setProblem(f)
			return
		}
		setProblem('')
		choose({ file: f })
		say(`Chosen: ${f.name}.`)
	}
	const over = useDrop(take)
	const begin = () => {
		if (!file) setProblem('Choose a file.')
		else if (file.size === 0) setProblem('The file is empty.')
		else void send()
	}
	return <Form label="Import" onSubmit={begin}>
		<p>Take one file with mail: a <strong>zip</strong>, <strong>tgz</strong> or <strong>tar</strong> archive with Maildirs or mbox files in it, or a single <strong>mbox</strong> file. Other mail programs and services export these, and so does this page.</p>
		<div class={over ? 'drop over' : 'drop'}>
			<input type="file" hidden ref={input} onChange={e => {
				take(e.currentTarget.files?.[0])
				e.currentTarget.value = '' // the same file can be chosen once more
			}} />
			<Button onClick={() => input.current?.click()}>{file ? 'Choose another file' : 'Choose a file'}</Button>
			<p>{file ? <><strong>{file.name}</strong>, {bytes(file.size)}</> : <span class="soft">or drop it here</span>}</p>
		</div>
		<Field label="Leave out at the beginning of mailbox names" name="import-prefix" hint="If the archive has all mail below a mailbox: with “Old mail/”, “Old mail/Work” becomes “Work”. Usually empty." value={prefix} onInput={p => choose({ prefix: p })} />
		<Problem text={problem || failed} />
		<div class="buttons"><Button type="submit" main>Import</Button></div>
	</Form>
}

// Sending shows the upload.
function Sending({ i }: { i: Importing }) {
	const part = i.size > 0 ? Math.min(1, i.sent / i.size) : 0
	const whole = part >= 1
	// Screen readers are told of each quarter.
	const told = whole ? 'The file was sent. The server looks at it.' : `Sending ${i.file}: ${Math.floor(part * 4) * 25} %`
	return <>
		<p><strong>{i.file}</strong></p>
		<progress max={1} value={part} aria-label={`Sending ${i.file}`} />
		<p class="figures">{whole ? 'Sent. The server looks at it…' : `${bytes(i.sent)} of ${bytes(i.size)} sent, ${Math.floor(part * 100)} %`}</p>
		<p class="offscreen" role="status">{told}</p>
		<p class="soft">Keep this tab open until the file is sent. You can look at other pages here.</p>
		<div class="buttons"><Button disabled={whole} onClick={() => {
			cancel()
			toHeading()
		}}>Cancel the upload</Button></div>
	</>
}

function Problems({ texts, more }: { texts: string[]; more: number }) {
	if (texts.length === 0) return null
	return <>
		<h3>Problems</h3>
		<p class="soft">What they tell of was left out; all else is imported.</p>
		<div class="problems" tabIndex={0} role="region" aria-label="Problems of the import"><ul>{texts.map((t, i) => <li key={i}>{t}</li>)}</ul></div>
		{more > 0 && <p class="soft">And {number(more)} more.</p>}
	</>
}

// Counts shows how far an import is.
function Counts({ p }: { p: Progress }) {
	return <>
		{p.counts.size > 0 && <Table caption="Messages by mailbox" rows={[...p.counts]} rowKey={([name]) => name} columns={[
			{ head: 'Mailbox', cell: ([name]) => name },
			{ head: 'Messages', cell: ([, n]) => number(n) },
		]} />}
		<Problems texts={p.problems} more={p.dropped} />
	</>
}

// Running shows what the server does.
function Running({ i }: { i: Importing }) {
	const [asking, setAsking] = useState(false)
	const action = useAction()
	const p = i.progress
	const yes = () => void action.run(async () => {
		await stop()
		setAsking(false)
		toHeading()
	})
	return <>
		<p><strong>{i.file}</strong></p>
		<progress aria-label={`Importing ${i.file}`} />
		<p role="status">{i.away ? 'The server cannot be reached. It is tried again; the import may be going on.' : p.step || 'The import begins.'}</p>
		{p.counts.size > 0 && <p class="figures">{count(total(p), 'message')} in {count(p.counts.size, 'mailbox', 'mailboxes')} so far.</p>}
		<p class="soft">The server does this by itself: you can close the page.</p>
		<div class="buttons"><Button onClick={() => {
			action.clear()
			setAsking(true)
		}}>Stop the import</Button></div>
		<Counts p={p} />
		{asking && <Ask title="Stop the import?" action="Stop it" danger busy={action.busy} error={action.error} onYes={yes} onNo={() => setAsking(false)}>
			<p>What was imported so far stays in your mailboxes. To go on later, import the same file again: only what is missing is added.</p>
		</Ask>}
	</>
}

// Over shows what came of an import.
function Over({ i }: { i: Importing }) {
	const end = i.progress.end
	const again = () => {
		forget()
		toHeading()
	}
	const button = <div class="buttons"><Button onClick={again}>Import another file</Button></div>
	const rest = 'What was imported stays. Import the same file again to go on: only what is missing is added.'
	if (!end) {
		return <><Problem><p>The server no longer knows of the import of {i.file}: it ended some minutes ago, or the server was restarted. {rest}</p></Problem>{button}<Counts p={i.progress} /></>
	}
	return <>
		<p><strong>{i.file}</strong></p>
		{end.done
			? <div class="note"><p><strong>{summary(end)}</strong></p></div>
			: <Problem><p><strong>The import ended early.</strong> {end.message ? sentence(end.message) : 'You stopped it.'}</p><p>{summary(end)} {rest}</p></Problem>}
		{button}
		<Counts p={i.progress} />
	</>
}

function Import() {
	const i = current.value
	return <Section title="Import">
		{i.phase === 'none' && <ImportForm failed={i.error} />}
		{i.phase === 'sending' && <Sending i={i} />}
		{i.phase === 'running' && <Running i={i} />}
		{(i.phase === 'ended' || i.phase === 'lost') && <Over i={i} />}
	</Section>
}

const archives: [string, string][] = [['zip', 'zip, which every computer opens'], ['tgz', 'tgz, smaller'], ['tar', 'tar, not compressed']]

// ExportForm is sent by the browser itself, which saves the answer.
function ExportForm({ names }: { names: string[] }) {
	const [mailbox, setMailbox] = useState('')
	const [below, setBelow] = useState(true)
	const [format, setFormat] = useState('maildir')
	const [archive, setArchive] = useState('zip')
	const action = useAction()
	const form = useRef<HTMLFormElement>(null)
	const hasBelow = mailbox !== '' && names.some(n => n.startsWith(mailbox + '/'))
	const recursive = mailbox === '' || (hasBelow && below)
	// A single mbox needs no archive.
	const options: [string, string][] = format === 'mbox' && !recursive ? [['none', 'None: the mbox file itself'], ...archives] : archives
	const packed = options.some(([v]) => v === archive) ? archive : 'zip'
	const save = () => void action.run(async () => {
		await refresh() // with a session that has ended, the browser would leave the page
		const f = form.current
		if (!f) return
		f.querySelector<HTMLInputElement>('[name=csrf]')!.value = api.csrfToken
		download(() => f.submit())
		say('The browser saves the file.')
	})
	const fields = { csrf: api.csrfToken, mailbox, format, archive: packed, recursive: recursive ? 'on' : '' }
	return <>
		<Form label="Export" onSubmit={save}>
			<Choice label="Mailbox" value={mailbox} options={[['', 'All mailboxes'], ...names.map((n): [string, string] => [n, n])]} onChange={setMailbox} />
			{hasBelow && <Tick label="With the mailboxes below it" checked={below} onChange={setBelow} />}
			<Choice label="Format" hint="Both keep marks such as read and answered, and can be imported again here." value={format} options={[['maildir', 'Maildir, a file for each message'], ['mbox', 'mbox, a file for each mailbox']]} onChange={setFormat} />
			<Choice label="Archive" value={packed} options={options} onChange={setArchive} />
			<Problem text={action.error} />
			<div class="buttons"><Button type="submit" main busy={action.busy}>Save the file</Button></div>
		</Form>
		<form ref={form} method="post" action="export" hidden>{Object.entries(fields).map(([name, value]) => <input key={name} type="hidden" name={name} value={value} />)}</form>
	</>
}

function Export() {
	const boxes = useLoad(() => api.mailboxes(), current.value.phase === 'ended') // with new ones
	return <Section title="Export">
		<p>A copy of your mail in one file, for keeping or for another program. If your browser says that the download failed, the file is not whole: do it again.</p>
		<Ready from={boxes}>{d => <ExportForm names={d.Mailboxes.map(m => m.Name)} />}</Ready>
	</Section>
}

export function Transfer() {
	return <Page title="Import and export" lead={`Bring mail of another account or program to ${account.value!.LoginAddress}, or take a copy of it.`}>
		<Import />
		<Export />
	</Page>
}
