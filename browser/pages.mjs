// Each page at desktop and phone width.
import { end, inspect, kinds, launch, report, watch } from './look.mjs'

const api = 'http://127.0.0.1:1080/webapi/v0/'
// With a request, the form of the page is sent, and the answer is what is looked at.
const pages = [
	{ name: 'overview', url: 'http://127.0.0.1:1080/', text: 'mox localserve is running' },
	{ name: 'webapi', url: api, text: 'SuppressionList' },
	{ name: 'webapi-send', url: api + 'Send', text: 'IdempotencyKey' },
	{ name: 'webapi-sendbatch', url: api + 'SendBatch', text: 'Try' },
	{ name: 'webapi-messageget', url: api + 'MessageGet', text: 'MailFromValidated' },
	{ name: 'webapi-sent', url: api + 'Send', request: { To: [{ Address: 'mox@localhost' }], Subject: 'from a form', Text: 'hi' }, text: '"QueueMsgID":' },
	{ name: 'webapi-refused', url: api + 'Send', request: { To: [{ Address: 'a@' }], Text: 'hi' }, status: 400, text: '"badAddress"' },
]

const browser = await launch()

async function check(page, kind) {
	const problems = []
	const { width, colorScheme } = kinds[kind]
	const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, httpCredentials: { username: 'mox@localhost', password: 'moxmoxmox' } })
	const tab = await context.newPage()
	const expected = page.status ?? 200
	// Chromium itself says that an answer was not 200.
	watch(tab, page.url, problems, expected === 200 ? undefined : new RegExp(`status of ${expected}`))
	let response = await tab.goto(page.url)
	if (page.request) {
		await tab.fill('#request', JSON.stringify(page.request))
		;[response] = await Promise.all([tab.waitForNavigation(), tab.click('button')])
	}
	if (response.status() !== expected) problems.push(`status ${response.status()}`)
	if (!(await tab.textContent('body')).includes(page.text)) problems.push(`text ${JSON.stringify(page.text)} is missing`)
	await inspect(tab, `${page.name}-${kind}`, problems)
	await context.close()
	report(`${page.name} ${kind}`, problems)
}

for (const page of pages) {
	for (const kind of Object.keys(kinds)) await check(page, kind)
}
await end(browser)
