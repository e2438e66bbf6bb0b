// The webmail, from signing in to signing out: reading, answering, sending, drafts that survive, moving with undo,
// search, labels, mailboxes, live changes, the end of a session; each view at desktop and phone width, in light and
// dark, and much of it by the keyboard alone. A message made to break out finds no way.
// Arguments: URL of the webmail, address, password, program mox, its configuration file.
import { execFileSync } from 'node:child_process'
import { application } from './app.mjs'
import { check as look, end, fits, launch, report } from './look.mjs'

const [link, address, password, mox, config] = process.argv.slice(2)
const browser = await launch()
const problems = []
const { open, wants } = application(browser, link, problems)
const tab = await open()
tab.setDefaultTimeout(15000)
const check = (name, text) => look(tab, `webmail-${name}`, text, problems)

// step does a part of the journey, and tells what went wrong in it.
async function step(name, fn) {
	try {
		await fn()
	} catch (err) {
		problems.push(String(err.message).slice(0, 500))
		await tab.screenshot({ path: `${process.env.SCREENSHOTS}/webmail-failed-${name}.png` })
	}
	report(`webmail-${name}`, problems.splice(0))
}

function same(got, want, what) {
	if (JSON.stringify(got) !== JSON.stringify(want)) problems.push(`${what}: ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`)
}

// deliver puts a message into the account, as if it had come in.
function deliver(lines) {
	execFileSync(mox, ['-config', config, 'deliver', address], { input: lines.join('\r\n') + '\r\n', stdio: ['pipe', 'ignore', 'inherit'] })
}

function plain(n, from, subject, text, more = []) {
	deliver([`From: ${from}`, `To: <${address}>`, `Subject: ${subject}`, `Message-ID: <m${n}@sender.example>`, `Date: ${new Date(Date.now() - 60000 * (50 - n)).toUTCString().replace('GMT', '+0000')}`, 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', ...more, '', ...text])
}

const wide = { width: 1280, height: 900 }
const rows = () => tab.$$eval('.mailrow:not(.waiting) .subject', all => all.map(x => x.textContent))
const row = text => `.mailrow:has-text(${JSON.stringify(text)})`
const focused = () => tab.evaluate(() => document.activeElement?.closest('.mailrow')?.querySelector('.subject')?.textContent ?? document.activeElement?.tagName)
const box = name => tab.click(`.boxes nav a:has(.name:text-is("${name}"))`)
const heading = name => tab.waitForSelector(`.listhead h2:text-is("${name}")`)
const menu = async (button, item) => {
	await tab.click(`[aria-label="${button}"] >> visible=true`)
	await tab.click(`[role=menuitem]:has-text("${item}")`)
}

// inFrame clicks a text of a message with the mouse. It looks from outside: Playwright's locators put scripts into pages, which
// the frame of a message does not run.
async function inFrame(text) {
	const at = await tab.evaluate(s => {
		const frame = document.querySelector('iframe.html')
		const walker = frame.contentDocument.createTreeWalker(frame.contentDocument.body, NodeFilter.SHOW_TEXT)
		while (!walker.nextNode().data.includes(s)) { /* the next */ }
		const range = frame.contentDocument.createRange()
		range.selectNode(walker.currentNode)
		const [outer, inner] = [frame.getBoundingClientRect(), range.getBoundingClientRect()]
		return { x: outer.x + inner.x + 5, y: outer.y + inner.y + 5 }
	}, text)
	await tab.mouse.click(at.x, at.y)
}

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
await step('prepare', async () => {
	for (let n = 1; n <= 12; n++) plain(n, `"Reader ${n}" <reader${n}@sender.example>`, `Notes, part ${n}`, [`This is part ${n} of the notes.`, '', 'See https://example.org/notes for more.'])
	plain(20, '"Marius Petersen" <marius@garden.example>', 'Plan for the garden', ['Shall we begin in May?', '', 'Marius'])
	plain(21, '"Marius Petersen" <marius@garden.example>', 'Re: Plan for the garden', ['Or in June, with sunflowers?', '', 'On Monday, Marius wrote:', '> Shall we begin in May?', '> one', '> two', '> three', '> Marius'], ['In-Reply-To: <m20@sender.example>', 'References: <m20@sender.example>'])
	deliver(['From: "Eve" <eve@elsewhere.example>', `To: <${address}>`, 'Subject: Made to break out', 'Message-ID: <eve@elsewhere.example>', `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`, 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Type: text/html; charset=utf-8', '',
		'<html><head><script>top.escaped=1;parent.document.title="escaped"</script><style>@import url(https://evil.example/a.css);body{background:url(https://evil.example/b.png)}</style><meta http-equiv=refresh content="0;url=https://evil.example/"><base href="https://evil.example/"></head>',
		'<body onload="top.escaped=2"><p>Harmless <b>words</b>.</p><img src="https://evil.example/track.png" onerror="top.escaped=3"><img src=x onerror=top.escaped=4><svg onload=top.escaped=5></svg><iframe src="https://evil.example/f"></iframe><a href="javascript:top.escaped=6" id=bad>press</a>',
		'<form action="https://evil.example/"><input autofocus onfocus=top.escaped=7></form><div style="position:fixed;bottom:0;left:0;width:100vw;height:50px;background:url(https://evil.example/c.png)">over</div><div style="height:700px">high</div></body></html>',
		'--b', 'Content-Type: image/png; name="leaf.png"', 'Content-Disposition: attachment; filename="leaf.png"', 'Content-Transfer-Encoding: base64', '', pixel, '--b--'])
})

await step('signin', async () => {
	await check('signin', 'Sign in to your mail')
	await tab.setViewportSize(wide)
	await tab.fill('input[name=username]', address)
	await tab.fill('input[name=password]', 'wrong password')
	await tab.keyboard.press('Enter')
	await wants(tab, '[role=alert]', 'password')
	await tab.fill('input[name=password]', password)
	await tab.keyboard.press('Enter')
	await tab.waitForSelector(row('Made to break out'))
	await tab.waitForSelector(row('Plan for the garden'))
	await tab.waitForSelector(`${row('garden')} .size:has-text("2")`)
	await check('list', 'Notes, part 12')
	await tab.setViewportSize(wide)
})

await step('escape', async () => {
	const title = await tab.title()
	await tab.click(`${row('break out')} a`)
	await tab.waitForFunction(() => document.querySelector('iframe.html')?.contentDocument?.querySelector('b')?.textContent === 'words')
	await tab.waitForTimeout(500)
	await inFrame('press')
	same(await tab.evaluate(() => window.escaped), undefined, 'a script of a message has run')
	if ((await tab.title()).includes('escaped')) problems.push(`the title is ${await tab.title()}, before ${title}`)
	await wants(tab, '.barrow', 'Show images')
	const size = await tab.evaluate(() => {
		const html = document.querySelector('iframe.html').contentDocument.documentElement
		return [html.clientHeight, html.scrollHeight]
	})
	if (size[0] < 700 || size[1] > size[0]) problems.push(`the frame is ${size[0]} px high, its content ${size[1]}`)
	await tab.waitForSelector('.attachments img')
	const [file] = await Promise.all([tab.waitForEvent('download'), tab.click('.attachments button:has-text("leaf.png")')])
	same(file.suggestedFilename(), 'leaf.png', 'name of the download')
	await check('html', 'Made to break out')
	await tab.setViewportSize(wide)
	await menu('For this message', 'View source')
	await wants(tab, 'pre.source', 'Subject: Made to break out')
	await check('source', 'Source of the message')
	await tab.setViewportSize(wide)
	await tab.keyboard.press('Escape')
	await inFrame('words')
	await tab.keyboard.press('u')
	await tab.waitForSelector('.conversation', { state: 'detached' })
})

await step('read', async () => {
	const count = Number.parseInt(await tab.textContent('.boxes nav a:has(.name:text-is("Inbox")) .count'))
	await tab.click(`${row('garden')} a`)
	await wants(tab, '.message.expanded', 'sunflowers')
	same(await tab.$$eval('.message', all => all.length), 2, 'messages on the page')
	await tab.waitForFunction(n => Number.parseInt(document.querySelector('.boxes nav a .count')?.textContent ?? '0') === n - 1, count)
	await tab.click('.message.expanded:last-of-type summary:has-text("quoted")').catch(() => problems.push('the quote is not folded'))
	await tab.click('.message.expanded button:text-is("Details") >> nth=-1')
	await wants(tab, '.headers', 'm21@sender.example')
	await check('conversation', 'sunflowers')
	await tab.setViewportSize(wide)
})

await step('reply', async () => {
	await tab.keyboard.press('r')
	await tab.waitForSelector('.composer')
	same(await tab.inputValue('input[name=to]'), 'Marius Petersen <marius@garden.example>', 'recipient')
	same(await tab.inputValue('input[name=subject]'), 'Re: Plan for the garden', 'subject')
	await tab.keyboard.type('June it is.')
	await tab.setInputFiles('input[type=file]', { name: 'seeds.txt', mimeType: 'text/plain', buffer: Buffer.from('sunflower seeds') })
	await tab.waitForSelector('.files .filename:text-is("seeds.txt")')
	await tab.waitForSelector('.composerhead:has-text("Saved")', { timeout: 7000 })
	await check('composer', 'seeds.txt')
	await tab.setViewportSize(wide)
	await tab.focus('textarea[name=text]')
	await tab.keyboard.type(' With bees.')
	await tab.reload()
	await tab.waitForSelector('.composer')
	if (!(await tab.inputValue('textarea[name=text]')).startsWith('June it is. With bees.\n\nOn ')) problems.push(`text after loading again: ${await tab.inputValue('textarea[name=text]')}`)
	await tab.fill('input[name=to]', 'marius@garden.example, nobody')
	await tab.click('.composer button:text-is("Send")')
	await wants(tab, '.composer [role=alert]', 'nobody')
	await tab.fill('input[name=to]', 'marius@garden.example')
	await tab.focus('textarea[name=text]')
	await tab.keyboard.press('Control+Enter')
	await tab.waitForSelector('.composer', { state: 'detached' })
	await wants(tab, '.said', 'Sent.')
	await box('Sent')
	await tab.waitForSelector(row('Plan for the garden'))
	await wants(tab, '.mailrow', 'To marius@garden.example')
	await box('Drafts')
	await heading('Drafts')
	await tab.waitForSelector('.nothing:has-text("nothing here")')
	await box('Inbox')
	// It comes back, since all mail arrives here: the conversation has it, and its attachment.
	await tab.waitForSelector(`${row('garden')}.unread`)
	await tab.click(`${row('garden')} a`)
	await tab.waitForSelector('.attachments button:has-text("seeds.txt")')
	await tab.keyboard.press('u')
})

await step('drafts', async () => {
	await tab.keyboard.press('c')
	await tab.waitForSelector('.composer')
	await tab.keyboard.type('mar')
	await tab.waitForSelector('.recipients [role=option]')
	await check('completion', 'garden.example')
	await tab.setViewportSize(wide)
	await tab.keyboard.press('Enter')
	await tab.fill('input[name=subject]', 'Half a thought')
	await tab.fill('textarea[name=text]', 'It begins')
	await tab.keyboard.press('Escape')
	await tab.waitForSelector('.composer', { state: 'detached' })
	await box('Drafts')
	await tab.click(`${row('Half a thought')} a`)
	await tab.waitForSelector('.composer')
	same((await tab.inputValue('textarea[name=text]')).trimEnd(), 'It begins', 'text of the draft')
	await tab.fill('textarea[name=text]', 'It begins, and goes on')
	await tab.waitForSelector('.composerhead:has-text("Saved")', { timeout: 7000 })
	await tab.click('.composer [aria-label="Save and close"]')
	await tab.waitForSelector('.composer', { state: 'detached' })
	await tab.waitForFunction(() => document.querySelectorAll('.mailrow').length === 1)
	await tab.click(`${row('Half a thought')} a`)
	await tab.click('.composer [aria-label="Discard"]')
	await tab.click('dialog button:text-is("Discard")')
	await tab.waitForSelector('.nothing:has-text("nothing here")')
	await box('Inbox')
	await heading('Inbox')
})

await step('keyboard', async () => {
	await tab.waitForSelector(row('Notes, part 12'))
	await tab.keyboard.press('?')
	await check('keys', 'Keys and help')
	await tab.setViewportSize(wide)
	await tab.keyboard.press('Escape')
	const all = await rows()
	for (let i = 0; i < 4; i++) await tab.keyboard.press('j')
	await tab.waitForTimeout(200)
	same(await focused(), all[3], 'row with the focus')
	await tab.keyboard.press('e')
	await wants(tab, '.undo', 'moved to Archive')
	await tab.waitForFunction(s => ![...document.querySelectorAll('.mailrow .subject')].some(x => x.textContent === s), all[3])
	await tab.keyboard.press('z')
	await tab.waitForFunction(s => [...document.querySelectorAll('.mailrow .subject')].some(x => x.textContent === s), all[3])
	await tab.keyboard.press('Control+K')
	await check('commands', 'All commands')
	await tab.setViewportSize(wide)
	await tab.keyboard.type('go to archive')
	await tab.keyboard.press('Enter')
	await heading('Archive')
	await tab.keyboard.press('g')
	await tab.keyboard.press('i')
	await heading('Inbox')
})

await step('select', async () => {
	await tab.waitForSelector(row('Notes, part 3'))
	await tab.click(`${row('Notes, part 7')} input`)
	await tab.click(`${row('Notes, part 4')} input`, { modifiers: ['Shift'] })
	same(await tab.textContent('.bulk strong'), '4', 'selected')
	await check('selected', 'Notes, part 5')
	await tab.setViewportSize(wide)
	await tab.keyboard.press('l')
	await tab.fill('dialog input[name=label]', 'two words')
	await tab.keyboard.press('Enter')
	await wants(tab, 'dialog', 'no spaces')
	await tab.fill('dialog input[name=label]', 'reading')
	await tab.keyboard.press('Enter')
	await wants(tab, 'dialog li', 'reading')
	await check('labels', 'reading')
	await tab.setViewportSize(wide)
	await tab.click('dialog button:text-is("Done")')
	await tab.waitForSelector(`${row('Notes, part 5')} .label:text-is("reading")`)
	await tab.keyboard.press('s')
	await tab.waitForSelector(`${row('Notes, part 5')} .star[aria-pressed=true]`)
	await tab.keyboard.press('#')
	await wants(tab, '.undo', '4 conversations moved to Trash')
	await tab.click('.undo button')
	await tab.waitForSelector(row('Notes, part 5'))
})

await step('mailboxes', async () => {
	await tab.click('button:has-text("New mailbox")')
	await tab.fill('dialog input', 'Travel')
	await check('mailbox', 'New mailbox')
	await tab.setViewportSize(wide)
	await tab.keyboard.press('Enter')
	await heading('Travel')
	await box('Inbox')
	await tab.waitForSelector(row('Notes, part 1'))
	await tab.dragAndDrop(row('Notes, part 9'), '.boxes nav a:has-text("Travel")')
	await wants(tab, '.undo', 'moved to Travel')
	await tab.click(`${row('Notes, part 8')} a`)
	await tab.keyboard.press('v')
	await tab.keyboard.type('trav')
	await tab.keyboard.press('Enter')
	await wants(tab, '.undo', 'moved to Travel')
	await box('Travel')
	await heading('Travel')
	await tab.waitForSelector(row('Notes, part 8'))
	await tab.waitForSelector(row('Notes, part 9'))
	await menu('For this list', 'Rename')
	await tab.fill('dialog input', 'Journeys')
	await tab.keyboard.press('Enter')
	await heading('Journeys')
	await tab.click(`${row('Notes, part 8')} input`)
	await tab.keyboard.press('!')
	await wants(tab, '.undo', 'moved to Junk')
	await box('Junk')
	await heading('Junk')
	await tab.click(`${row('Notes, part 8')} a`)
	await tab.click('.convtools [aria-label="Not junk"]')
	await wants(tab, '.undo', 'moved to Inbox')
	await box('Journeys')
	await heading('Journeys')
	await menu('For this list', 'Delete mailbox')
	await tab.click('dialog button:text-is("Delete")')
	await heading('Inbox')
	await tab.waitForSelector('.boxes nav a:has-text("Journeys")', { state: 'detached' })
})

await step('search', async () => {
	await tab.keyboard.press('/')
	await tab.keyboard.type('sunflowers from:marius')
	await tab.keyboard.press('Enter')
	await tab.waitForSelector(row('garden'))
	await tab.waitForSelector('.mailrow mark')
	same((await rows()).length, 1, 'found')
	await check('search', 'sunflowers')
	await tab.setViewportSize(wide)
	for (const [query, n] of [['has:attachment -from:marius subject:break', 1], ['label:reading', 4], ['"part 11"', 1], ['notes before:2001-01-01', 0]]) {
		await tab.keyboard.press('/')
		await tab.keyboard.type(query)
		await tab.keyboard.press('Enter')
		const told = `Search: ${query}${n} conversation${n === 1 ? '' : 's'}`
		await tab.waitForFunction(want => document.querySelector('.listhead .titles')?.textContent === want, told).catch(async () => problems.push(`${await tab.textContent('.listhead .titles')}, expected ${told}`))
	}
	await tab.keyboard.press('/')
	await tab.keyboard.type('is:happy')
	await tab.keyboard.press('Enter')
	await wants(tab, '.hints', 'followed by one of')
	await box('Inbox')
	await heading('Inbox')
})

await step('live', async () => {
	await box('Inbox')
	await tab.waitForSelector(row('Notes, part 12'))
	plain(40, '"Tim" <tim@family.example>', 'Just now', ['Hello!'])
	await tab.waitForSelector(row('Just now'), { timeout: 10000 })
	if (!(await tab.title()).startsWith('(')) problems.push(`title: ${await tab.title()}`)
	// Another window sees what is done here.
	const other = await tab.context().newPage()
	await other.goto(link)
	await other.waitForSelector(row('Just now'))
	await tab.click(`${row('Just now')} a`)
	await tab.waitForSelector('.conversation')
	await other.waitForSelector(`${row('Just now')}:not(.unread)`)
	await tab.keyboard.press('#')
	await other.waitForSelector(row('Just now'), { state: 'detached' })
	await other.close()
	await box('Trash')
	await heading('Trash')
	await tab.click(`${row('Just now')} input`)
	await tab.keyboard.press('#')
	await check('destroy', 'for good')
	await tab.setViewportSize(wide)
	await tab.click('dialog button:text-is("Delete")')
	await tab.waitForSelector(row('Just now'), { state: 'detached' })
	await box('Inbox')
	await heading('Inbox')
})

await step('ended', async () => {
	await box('Inbox')
	await heading('Inbox')
	await tab.keyboard.press('c')
	await tab.fill('input[name=subject]', 'Written when the session ended')
	await tab.context().clearCookies()
	await tab.fill('textarea[name=text]', 'It must not be lost.')
	await wants(tab, 'main.plain', 'You have been signed out')
	await tab.fill('input[name=password]', password)
	await tab.keyboard.press('Enter')
	await tab.waitForSelector('.composer:visible')
	same(await tab.inputValue('textarea[name=text]'), 'It must not be lost.', 'text after signing in again')
	await tab.fill('input[name=to]', `me <${address}>`)
	await tab.click('.composer button:text-is("Send")')
	await tab.waitForSelector('.composer', { state: 'detached' })
	await tab.waitForSelector(row('Written when the session ended'))
})

await step('narrow', async () => {
	await box('Inbox')
	await tab.setViewportSize({ width: 320, height: 700 })
	await fits(tab, problems)
	await tab.click('.top [aria-label=Mailboxes]')
	await tab.waitForSelector('.boxes button.compose:visible')
	await fits(tab, problems)
	await look(tab, 'webmail-menu', 'New message', problems)
	await tab.setViewportSize({ width: 320, height: 700 })
	await tab.keyboard.press('Escape')
	await tab.click(`${row('break out')} a`)
	await tab.waitForSelector('iframe.html')
	await fits(tab, problems)
	await tab.click('[aria-label="Back to the list"]')
	await tab.waitForSelector('.list:visible')
	await tab.click('.top [aria-label="New message"]')
	await tab.waitForSelector('.composer')
	await fits(tab, problems)
	await tab.click('.composer [aria-label="Save and close"]')
	await tab.setViewportSize(wide)
})

await step('signout', async () => {
	await tab.click('button:text-is("Sign out")')
	await wants(tab, 'h1', 'Sign in to your mail')
	await tab.goBack()
	await tab.reload()
	await wants(tab, 'h1', 'Sign in to your mail')
	if ((await tab.content()).includes('Notes, part')) problems.push('the page still has mail')
})
await end(browser)
