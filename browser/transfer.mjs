// The page "Import and export" of the account pages: a file goes in, is there, is not added twice, and comes out again; what can go wrong on the way.
import { readFileSync, writeFileSync } from 'node:fs'
import { mbox, message, names, zip } from './archive.mjs'
import { fits, inspect } from './look.mjs'

// What is imported: two messages in a Maildir, two in an mbox.
const archive = zip({
	'Takeout/Brought/cur/1000000001.M1P1.host:2,S': message('Read long ago'),
	'Takeout/Brought/cur/1000000002.M2P1.host:2,FS': message('Flagged & “quoted”'),
	'Loose.mbox': mbox(['First of two', 'Second of two']),
})

// transfer goes through the page in a tab of somebody who is signed in.
export async function transfer({ tab, go, wants, check, done, problems, address, password }) {
	const url = new URL(tab.url())
	const take = (name, buffer) => tab.setInputFiles('input[type=file]', { name, mimeType: 'application/octet-stream', buffer })
	const press = text => tab.click(`main button:text-is(${JSON.stringify(text)})`)
	const stays = () => tab.waitForSelector('button:text-is("Import another file")', { timeout: 60000 })

	// mail returns the subjects of a mailbox, by JMAP.
	async function mail(mailbox) {
		const headers = { Authorization: `Basic ${Buffer.from(`${address}:${password}`).toString('base64')}`, 'Content-Type': 'application/json' }
		const session = await (await fetch(new URL('/.well-known/jmap', url), { headers })).json()
		const accountId = session.primaryAccounts['urn:ietf:params:jmap:mail']
		const call = async (...methodCalls) => (await (await fetch(new URL(new URL(session.apiUrl, url).pathname, url), { method: 'POST', headers, body: JSON.stringify({ using: ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'], methodCalls }) })).json()).methodResponses
		const [[, boxes]] = await call(['Mailbox/get', { accountId }, 'a'])
		const inMailbox = boxes.list.find(b => b.name === mailbox)?.id
		if (!inMailbox) return [`no mailbox ${mailbox}, but ${boxes.list.map(b => b.name)}`]
		const [, [, emails]] = await call(['Email/query', { accountId, filter: { inMailbox } }, 'a'], ['Email/get', { accountId, '#ids': { resultOf: 'a', name: 'Email/query', path: '/ids' }, properties: ['subject', 'keywords'] }, 'b'])
		return emails.list.map(e => `${e.subject}${Object.keys(e.keywords).sort().map(k => ` ${k}`).join('')}`).sort()
	}
	const same = (got, want, what) => JSON.stringify(got) !== JSON.stringify(want) && problems.push(`${what}: ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`)

	// What cannot be imported.
	await go(tab, 'Import and export')
	await press('Import')
	await wants(tab, '[role=alert]', 'Choose a file.')
	await take('empty.zip', Buffer.alloc(0))
	await press('Import')
	await wants(tab, '[role=alert]', 'The file is empty.')
	await take('notes.txt', Buffer.from('Dear diary,\n'))
	await press('Import')
	await tab.waitForSelector('main .alert', { timeout: 60000 })
	await check('import-refused', 'Import')
	if (await tab.isVisible('button:text-is("Import another file")')) await press('Import another file')
	const drop = await tab.evaluateHandle(() => {
		const data = new DataTransfer()
		data.items.add(new File(['x'], 'dropped.zip'))
		return data
	})
	await tab.dispatchEvent('main', 'dragover', { dataTransfer: drop })
	await tab.waitForSelector('.drop.over')
	await tab.dispatchEvent('main', 'drop', { dataTransfer: drop })
	await wants(tab, '.drop', 'dropped.zip')
	done('import-drop')

	// A file goes in, once.
	await take('mail.zip', archive)
	await wants(tab, '.drop', 'mail.zip')
	await tab.fill('input[name=import-prefix]', 'Takeout/')
	await check('import', 'mail.zip')
	await press('Import')
	await stays()
	await wants(tab, '.note', '4 messages added.')
	await wants(tab, 'table', 'Brought')
	await wants(tab, 'table', 'Loose')
	await check('import-done', '4 messages added.')
	same(await mail('Brought'), ['Flagged & “quoted” $flagged $seen', 'Read long ago $seen'], 'mail of Brought')
	same(await mail('Loose'), ['First of two', 'Second of two'], 'mail of Loose')
	await press('Import another file')
	await take('mail.zip', archive)
	await tab.fill('input[name=import-prefix]', 'Takeout/')
	await press('Import')
	await stays()
	await wants(tab, '.note', 'Nothing added: 4 messages were there already.')
	same(await mail('Brought'), ['Flagged & “quoted” $flagged $seen', 'Read long ago $seen'], 'mail of Brought after the second import')
	await press('Import another file')
	done('import-again')

	// And out again.
	async function save() {
		const [download] = await Promise.all([tab.waitForEvent('download', { timeout: 60000 }), press('Save the file')])
		return { name: download.suggestedFilename(), content: readFileSync(await download.path()) }
	}
	await tab.getByLabel('Mailbox', { exact: true }).selectOption('Brought')
	let file = await save()
	if (!/^mailexport-Brought-\d{8}-\d{6}\.maildir\.zip$/.test(file.name)) problems.push(`the export is called ${file.name}`)
	same(names(file.content).filter(n => /\/(cur|new)\/./.test(n)).map(n => n.replace(/^.*?Brought\//, '').replace(/\d[^:]*/, '')).sort(), ['cur/:2,FS', 'cur/:2,S'], 'files of the export')
	await tab.getByLabel('Mailbox', { exact: true }).selectOption('Loose')
	await tab.getByLabel('Format').selectOption('mbox')
	await tab.getByLabel('Archive').selectOption('none')
	file = await save()
	if (!/^mailexport-Loose-\d{8}-\d{6}\.mbox$/.test(file.name)) problems.push(`the mbox is called ${file.name}`)
	same(file.content.toString().match(/^Subject: .*$/mg), ['Subject: First of two', 'Subject: Second of two'], 'messages of the mbox')
	await check('export', 'None: the mbox file itself')
	await tab.getByLabel('Mailbox', { exact: true }).selectOption('')
	await tab.getByLabel('Archive').selectOption('tgz')
	file = await save()
	if (!/^mailexport-all-\d{8}-\d{6}\.mbox\.tgz$/.test(file.name) || file.content.readUInt16BE(0) !== 0x1f8b) problems.push(`the export of all is called ${file.name}, and begins with ${file.content.subarray(0, 2).toString('hex')}`)
	done('export')

	// A large one, of which the upload is cancelled.
	writeFileSync('large.mbox', mbox(Array.from({ length: 150000 }, (_, i) => `Message ${i}`)))
	const debug = await tab.context().newCDPSession(tab)
	const slow = bytes => debug.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes })
	await debug.send('Network.enable')
	await slow(200000)
	await tab.setInputFiles('input[type=file]', 'large.mbox')
	await press('Import')
	await wants(tab, '.figures', '%')
	await tab.waitForFunction(() => document.querySelector('progress')?.value > 0)
	await check('import-sending', 'Keep this tab open')
	await go(tab, 'About', 'About mox')
	await go(tab, 'Import and export') // it goes on meanwhile
	await press('Cancel the upload')
	await wants(tab, '.said', 'cancelled')
	await slow(-1)
	done('import-cancelled')

	// The import of it is found again by a page that is loaded anew, and is stopped.
	await tab.setInputFiles('input[type=file]', 'large.mbox')
	await press('Import')
	await tab.waitForSelector('main table', { timeout: 60000 })
	await tab.reload()
	await wants(tab, 'main', 'Stop the import')
	await inspect(tab, 'account-import-running', problems)
	await press('Stop the import')
	await inspect(tab, 'account-import-stop', problems)
	await tab.click('dialog button:text-is("Stop it")')
	await wants(tab, '.alert', 'You stopped it.')
	const added = Number(/([\d,]+) messages? added/.exec(await tab.textContent('.alert'))?.[1].replaceAll(',', ''))
	if (!(added >= 0 && added < 150000)) problems.push(`${added} messages were added before the import was stopped`)
	await check('import-stopped', 'What was imported stays.')
	await press('Import another file')
	done('import-stopped')

	await answers({ tab, take, press, wants, check, done })
	await tab.setViewportSize({ width: 320, height: 700 })
	await fits(tab, problems)
}

// answers makes the server's answers itself, where they are hard to come by.
async function answers({ tab, take, press, wants, check, done }) {
	for (const [status, answer, text] of [
		[409, { Code: 'user:error', Message: 'another import of the account is running' }, 'Another import of the account is running.'],
		[507, { Code: 'user:error', Message: 'the disk of the server is full' }, 'The disk of the server is full.'],
		[413, undefined, 'The file is too large for the server.'],
	]) {
		await tab.route('**/import', r => r.fulfill(answer ? { status, json: answer } : { status, body: '<html>Too large' }))
		await take('mail.zip', archive)
		await press('Import')
		await wants(tab, 'main [role=alert]', text)
		await tab.unroute('**/import')
	}
	await tab.route('**/import', r => r.abort())
	await press('Import')
	await wants(tab, 'main [role=alert]', 'The upload broke off')
	await tab.unroute('**/import')
	await check('import-broken', 'The upload broke off')

	// What the server says before the file is sent.
	for (const [limits, text] of [
		[{ MaxBytes: 1 << 30, Running: true }, 'Another import to the account has not ended yet.'],
		[{ MaxBytes: 100, Running: false }, 'The file is too large: it can have 100 bytes.'],
	]) {
		await tab.route('**/api/ImportLimits', r => r.fulfill({ json: limits }))
		await press('Import')
		await wants(tab, 'main [role=alert]', text)
		await tab.unroute('**/api/ImportLimits')
	}

	// Progress that breaks off, and an import that the server no longer knows.
	const stream = list => ['retry: 2000\n\n', ...list.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)].join('')
	let first = true
	await tab.route('**/import', r => r.fulfill({ json: { Token: 'x' } }))
	await tab.route('**/importprogress?token=x', r => {
		const begin = first
		first = false
		return begin
			? r.fulfill({ contentType: 'text/event-stream', body: stream([['step', { Title: 'Importing.' }], ['count', { Mailbox: 'Work/Projects', Count: 1204 }], ['problem', { Message: 'Work/cur/7: the message is larger than 512 MiB' }], ['problem', { Message: 'Archive/cur/9: the file cannot be read' }], ['dropped', { Count: 1210 }]]) })
			: r.fulfill({ status: 404, json: { Code: 'user:error', Message: 'no such import' } })
	})
	await press('Import')
	await wants(tab, 'main', 'And 1,210 more.')
	await wants(tab, 'main', 'The server no longer knows of the import')
	await check('import-lost', 'And 1,210 more.')
	await tab.unroute('**/import')
	await tab.unroute('**/importprogress?token=x')
	await press('Import another file')
	done('import-answers')
}
