// The pages of mox setup, from the link to the end, each at desktop and phone width.
import { check as look, end, launch, watch } from './look.mjs'

const link = process.argv[2]
const options = process.argv.slice(3) // checkboxes to tick
const browser = await launch()
const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
const tab = await context.newPage()
const problems = []
watch(tab, link, problems)
const check = (name, text) => look(tab, `setup-${name}`, text, problems)

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
await end(browser)
