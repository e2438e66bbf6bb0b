// The pages of mox setup, from the link to the end, each at desktop and phone width.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const widths = { desktop: 1280, phone: 390 }
const link = process.argv[2]
const options = process.argv.slice(3) // checkboxes to tick
let passed = 0
let failed = 0

function report(name, problems) {
	if (problems.length === 0) {
		passed++
		console.log(`ok    ${name}`)
	} else {
		failed++
		console.log(`FAIL  ${name}\n      ${problems.join('\n      ')}`)
	}
}

const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
// The pages' own policy forbids other scripts; axe needs to run one.
const context = await browser.newContext({ bypassCSP: true, permissions: ['clipboard-read', 'clipboard-write'] })
const tab = await context.newPage()
const problems = []
tab.on('console', m => m.type() === 'error' && problems.push(`console: ${m.text()}`))
tab.on('pageerror', e => problems.push(`script: ${e}`))
tab.on('request', r => new URL(r.url()).host !== new URL(link).host && problems.push(`loads ${r.url()}`))

// check looks at the page that is shown, at both widths.
async function check(name, text) {
	if (!(await tab.textContent('body')).includes(text)) problems.push(`text ${JSON.stringify(text)} is missing`)
	for (const kind of Object.keys(widths)) {
		await tab.emulateMedia({ colorScheme: kind === 'phone' ? 'dark' : 'light' })
		await tab.setViewportSize({ width: widths[kind], height: 900 })
		const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
		if (overflow > 0) problems.push(`scrolls sideways by ${overflow} px`)
		await tab.screenshot({ path: `${process.env.SCREENSHOTS}/setup-${name}-${kind}.png`, fullPage: true })
		await tab.evaluate(axe)
		const result = await tab.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
		for (const v of result.violations) problems.push(`axe ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`)
		report(`setup-${name} ${kind}`, problems.splice(0))
	}
}

async function press(text) {
	await Promise.all([tab.waitForNavigation(), tab.click(`button:text-is("${text}")`)])
}

await tab.goto(link)
await check('ask', 'A mail server of your own')
await tab.fill('#address', 'you@example.org')
await tab.click('summary')
for (const name of options) await tab.check(`input[name=${name}]`)
await press('Look at this machine')
await tab.waitForSelector('text=What will be written')
await check('plan', 'Listens on')
await press('Write it')
await check('passwords', 'I have kept them')
const password = await tab.textContent('#account')
await tab.click('button[data-copy=account]')
if (await tab.evaluate(() => navigator.clipboard.readText()) !== password) problems.push('the password is not on the clipboard')
await tab.reload()
if (await tab.textContent('#account') !== password) problems.push('the password is gone before it was kept')
await press('I have kept them')
if ((await tab.content()).includes(password)) problems.push('the password is still shown')
await press('Check all')
await check('records', 'systemctl enable --now')
// Another browser with the same link gets nothing.
const other = await browser.newContext()
const second = await (await other.newPage()).goto(link)
if (second.status() !== 403) problems.push(`a second browser gets status ${second.status()}`)
await press('Finish')
await check('end', 'That is all')
await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
