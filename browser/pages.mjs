// Each page at desktop and phone width.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
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
const widths = { desktop: 1280, phone: 390 }

const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
let passed = 0
let failed = 0

async function check(page, kind) {
	const problems = []
	// The page's own policy forbids scripts; axe needs to run one.
	const context = await browser.newContext({ viewport: { width: widths[kind], height: 900 }, bypassCSP: true, colorScheme: kind === 'phone' ? 'dark' : 'light', httpCredentials: { username: 'mox@localhost', password: 'moxmoxmox' } })
	const tab = await context.newPage()
	const expected = page.status ?? 200
	// Chromium itself says that an answer was not 200.
	tab.on('console', m => m.type() === 'error' && !(expected !== 200 && m.text().includes(`status of ${expected}`)) && problems.push(`console: ${m.text()}`))
	tab.on('pageerror', e => problems.push(`script: ${e}`))
	tab.on('request', r => new URL(r.url()).host !== new URL(page.url).host && problems.push(`loads ${r.url()}`))
	let response = await tab.goto(page.url)
	if (page.request) {
		await tab.fill('#request', JSON.stringify(page.request))
		;[response] = await Promise.all([tab.waitForNavigation(), tab.click('button')])
	}
	if (response.status() !== expected) problems.push(`status ${response.status()}`)
	if (!(await tab.textContent('body')).includes(page.text)) problems.push(`text ${JSON.stringify(page.text)} is missing`)
	const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
	if (overflow > 0) problems.push(`scrolls sideways by ${overflow} px`)
	await tab.screenshot({ path: `${process.env.SCREENSHOTS}/${page.name}-${kind}.png`, fullPage: true })
	await tab.evaluate(axe)
	const result = await tab.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
	for (const v of result.violations) problems.push(`axe ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`)
	await context.close()
	return problems
}

for (const page of pages) {
	for (const kind of Object.keys(widths)) {
		const problems = await check(page, kind)
		if (problems.length === 0) {
			passed++
			console.log(`ok    ${page.name} ${kind}`)
		} else {
			failed++
			console.log(`FAIL  ${page.name} ${kind}\n      ${problems.join('\n      ')}`)
		}
	}
}
await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
