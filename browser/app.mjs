// What the tests of the account and admin pages share.
import { watch } from './look.mjs'

// application returns functions for the pages at link; what goes wrong is noted in problems.
export function application(browser, link, problems) {
	// open opens the pages in a browser of its own, whose cookies no other has.
	async function open() {
		const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
		const tab = await context.newPage()
		// Chromium itself says that an answer was not 200, and that there was none (where a test makes it so).
		watch(tab, link, problems, /status of (400|401|403|404|409|413|429|507)|net::ERR_FAILED/)
		await tab.goto(link)
		await tab.waitForSelector('h1')
		return tab
	}

	// go opens a page by the navigation, and waits for its heading, which gets the focus.
	async function go(tab, name, heading) {
		const menu = tab.locator('button.menu')
		if (await menu.isVisible() && await menu.getAttribute('aria-expanded') === 'false') await menu.click()
		await tab.click(`nav a:text-is("${name}")`)
		await tab.waitForSelector(`h1:text-is("${heading ?? name}")`)
		await tab.waitForFunction(() => document.activeElement?.tagName === 'H1', null, { timeout: 60000 }).catch(() => problems.push(`the focus is not at the heading of ${name}`))
	}

	// wants waits for an element with a text.
	async function wants(tab, what, text) {
		try {
			await tab.waitForSelector(`${what}:has-text(${JSON.stringify(text)})`, { timeout: 60000 })
		} catch {
			problems.push(`no ${what} with ${JSON.stringify(text)}; the page has ${JSON.stringify((await tab.textContent('body')).slice(0, 2000))}`)
		}
	}

	return { open, go, wants }
}
