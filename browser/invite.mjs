// The page of an invitation, from the link to the settings, each at desktop and phone width, with scripts
// switched off in the pages themselves.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const widths = { desktop: 1280, phone: 390 }
const link = process.argv[2]
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
// The page's own policy forbids other scripts; axe needs to run one.
const context = await browser.newContext({ bypassCSP: true })
const tab = await context.newPage()
const problems = []
// Chromium itself says that an answer was not 200.
tab.on('console', m => m.type() === 'error' && !/status of (404|422)/.test(m.text()) && problems.push(`console: ${m.text()}`))
tab.on('pageerror', e => problems.push(`script: ${e}`))
tab.on('request', r => !r.url().startsWith('data:') && new URL(r.url()).host !== new URL(link).host && problems.push(`loads ${r.url()}`))

// check looks at the page that is shown, at both widths.
async function check(name, text) {
	if (!(await tab.textContent('body')).includes(text)) problems.push(`text ${JSON.stringify(text)} is missing`)
	for (const kind of Object.keys(widths)) {
		await tab.emulateMedia({ colorScheme: kind === 'phone' ? 'dark' : 'light' })
		await tab.setViewportSize({ width: widths[kind], height: 900 })
		const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
		if (overflow > 0) problems.push(`scrolls sideways by ${overflow} px`)
		await tab.screenshot({ path: `${process.env.SCREENSHOTS}/invite-${name}-${kind}.png`, fullPage: true })
		await tab.evaluate(axe)
		const result = await tab.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
		for (const v of result.violations) problems.push(`axe ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`)
		report(`invite-${name} ${kind}`, problems.splice(0))
	}
}

// fill by the keyboard alone, and send.
async function choose(password, again) {
	await tab.focus('#password')
	await tab.keyboard.type(password)
	await tab.keyboard.press('Tab')
	await tab.keyboard.type(again)
	await Promise.all([tab.waitForNavigation(), tab.keyboard.press('Enter')])
}

await tab.goto(link)
await check('ask', 'Choose a password')
await choose('correct horse', 'battery staple')
await check('differs', 'The two passwords differ')
// Without scripts all works too.
const plain = await browser.newContext({ javaScriptEnabled: false })
const without = await plain.newPage()
await without.goto(link)
if (!(await without.textContent('h1')).includes('Choose a password')) problems.push('the page needs scripts')
await choose('correct horse', 'correct horse')
await check('done', 'Your account is ready')
const qr = await tab.evaluate(() => document.querySelector('img')?.naturalWidth ?? 0)
if (qr < 50) problems.push('there is no QR code')
await tab.goto(link)
await check('used', 'This link is not valid')
await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
