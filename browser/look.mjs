// What the tests of pages share: a browser, what must be true of every page, and the counting.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const kinds = {
	desktop: { width: 1280, colorScheme: 'light' },
	'desktop-dark': { width: 1280, colorScheme: 'dark' },
	phone: { width: 390, colorScheme: 'light' },
	'phone-dark': { width: 390, colorScheme: 'dark' },
}
let passed = 0
let failed = 0

// launch starts the browser, which asks for nothing by itself.
export function launch() {
	return chromium.launch({
		executablePath: '/usr/bin/chromium',
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
	})
}

// report counts a case, with what was found.
export function report(name, problems) {
	if (problems.length === 0) {
		passed++
		console.log(`ok    ${name}`)
	} else {
		failed++
		console.log(`FAIL  ${name}\n      ${problems.join('\n      ')}`)
	}
}

// end closes the browser, and the program.
export async function end(browser) {
	await browser.close()
	console.log(`${passed} passed, ${failed} failed`)
	process.exit(failed === 0 ? 0 : 1)
}

// watch notes what goes wrong in a tab, violations of the page's policy among it: errors on the console but those that
// are expected, errors of scripts, requests to other hosts than that of url.
export function watch(tab, url, problems, expected = /^$/) {
	tab.on('console', m => m.type() === 'error' && !expected.test(m.text()) && problems.push(`console: ${m.text()}`))
	tab.on('pageerror', e => problems.push(`script: ${e}`))
	tab.on('request', r => !r.url().startsWith('data:') && new URL(r.url().replace(/^blob:/, '')).host !== new URL(url).host && problems.push(`loads ${r.url()}`))
}

// fits notes whether a page has to be scrolled sideways.
export async function fits(tab, problems) {
	const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
	if (overflow > 0) problems.push(`scrolls sideways by ${overflow} px at ${tab.viewportSize().width}`)
}

// inspect takes a picture, and notes what makes a page hard to use.
export async function inspect(tab, name, problems) {
	await fits(tab, problems)
	await tab.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png`, fullPage: true })
	// By the debugger, which the policy of the page does not bind.
	const debug = await tab.context().newCDPSession(tab)
	await debug.send('Runtime.evaluate', { expression: axe })
	await debug.detach()
	const result = await tab.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
	for (const v of result.violations) problems.push(`axe ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`)
}

// check looks at the page that is shown, which must have the text, at both widths, in light and dark. Problems up to now are told with it.
export async function check(tab, name, text, problems) {
	if (!(await tab.textContent('body')).includes(text)) problems.push(`text ${JSON.stringify(text)} is missing`)
	for (const [kind, { width, colorScheme }] of Object.entries(kinds)) {
		await tab.emulateMedia({ colorScheme })
		await tab.setViewportSize({ width, height: 900 })
		await inspect(tab, `${name}-${kind}`, problems)
		report(`${name} ${kind}`, problems.splice(0))
	}
}
