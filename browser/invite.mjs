// The page of an invitation, from the link to the settings, each at desktop and phone width, with scripts
// switched off in the pages themselves.
import { check as look, end, launch, watch } from './look.mjs'

const link = process.argv[2]
const browser = await launch()
const context = await browser.newContext()
const tab = await context.newPage()
const problems = []
// Chromium itself says that an answer was not 200.
watch(tab, link, problems, /status of (404|422)/)
const check = (name, text) => look(tab, `invite-${name}`, text, problems)

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
await end(browser)
