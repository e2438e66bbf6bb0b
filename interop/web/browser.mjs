// A browser sees a page of files, and a WebSocket through the proxy. Arguments: the base URL,
// a directory for pictures.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const [base, pictures] = process.argv.slice(2)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const problems = []
for (const [kind, width] of [['light', 1280], ['dark', 390]]) {
	const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: kind, ignoreHTTPSErrors: true, bypassCSP: true })
	const tab = await context.newPage()
	tab.on('console', m => m.type() === 'error' && !m.location().url.endsWith('/favicon.ico') && problems.push(`console: ${m.text()} at ${m.location().url}`))
	tab.on('pageerror', e => problems.push(`script: ${e}`))
	const response = await tab.goto(base + '/files/')
	if (response.status() !== 200) problems.push(`status ${response.status()}`)
	const names = await tab.locator('tbody a').allTextContents()
	if (JSON.stringify(names) !== JSON.stringify(['sub/', '<b>.txt', 'big', 'page.html'])) problems.push(`names ${JSON.stringify(names)}`)
	const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
	if (overflow > 0) problems.push(`scrolls sideways by ${overflow} px`)
	await tab.screenshot({ path: `${pictures}/listing-${kind}.png` })
	await tab.evaluate(axe)
	const result = await tab.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
	for (const v of result.violations) problems.push(`axe ${v.id}: ${v.help} (${v.nodes.map(n => n.target).join(', ')})`)
	await tab.click('text=<b>.txt')
	if ((await tab.textContent('body')).trim() !== 'bold') problems.push('file was not shown')
	await tab.goto(base + '/files/')
	await tab.click('text=sub/')
	if (!tab.url().endsWith('/files/sub/')) problems.push(`directory is at ${tab.url()}`)
	await tab.click('text=Parent directory')
	if (!tab.url().endsWith('/files/')) problems.push(`parent is at ${tab.url()}`)
	const said = await tab.evaluate(url => new Promise((resolve, reject) => {
		const ws = new WebSocket(url)
		ws.onopen = () => ws.send('hello')
		ws.onerror = () => reject(new Error('websocket failed'))
		ws.onmessage = e => { ws.close(1000); resolve(e.data) }
	}), base.replace(/^http/, 'ws') + '/ws/')
	if (said !== 'echo hello') problems.push(`websocket said ${said}`)
	await context.close()
}
await browser.close()
if (problems.length) {
	console.log(problems.join('\n'))
	process.exit(1)
}
