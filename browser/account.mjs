// The account pages, from signing in to signing out, each at desktop and phone width: with the keyboard alone, with
// good and bad input, and with a second browser that has a session too.
// Arguments: URL of the pages, address, password, program mox.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { application } from './app.mjs'
import { check as look, end, fits, launch, report } from './look.mjs'
import { transfer } from './transfer.mjs'

const [link, address, first, mox] = process.argv.slice(2)
const second = 'lamp-gravel-otter-92'
const browser = await launch()
const problems = []

const { open, go, wants } = application(browser, link, problems)
const tab = await open()
const check = (name, text) => look(tab, `account-${name}`, text, problems)
// done tells of a case that needs no look at the page.
const done = name => report(`account-${name}`, problems.splice(0))

async function signIn(t, password) {
	await t.fill('input[name=username]', address)
	await t.fill('input[name=password]', password)
	await t.click('button:text-is("Sign in")')
}

// The checks below would see a page that breaks its policy.
await tab.evaluate(() => {
	const script = document.createElement('script')
	script.textContent = '0'
	document.body.append(script)
})
for (let i = 0; i < 600 && !problems.length; i++) await tab.waitForTimeout(100)
if (!problems.splice(0).some(p => p.includes('Content Security Policy'))) problems.push('an inline script is allowed')
done('policy')

// Signing in, by the keyboard alone.
await check('signin', 'Sign in to your account')
if (await tab.evaluate(() => document.activeElement?.getAttribute('name')) !== 'username') problems.push('the focus is not at the address')
for (const [name, value] of [['username', 'username'], ['password', 'current-password']]) {
	if (await tab.getAttribute(`input[name=${name}]`, 'autocomplete') !== value) problems.push(`${name} is not marked for password managers`)
}
await tab.keyboard.press('Enter')
await wants(tab, '[role=alert]', 'Enter your email address')
await tab.keyboard.type(address)
await tab.keyboard.press('Tab')
await tab.keyboard.type('wrong password')
await tab.keyboard.press('Enter')
await wants(tab, '[role=alert]', 'password')
await tab.waitForFunction(() => document.activeElement?.getAttribute('name') === 'password')
await check('signin-wrong', 'Sign in to your account')
await tab.keyboard.press('Tab')
await tab.keyboard.press('Space')
if (await tab.getAttribute('input[name=password]', 'type') !== 'text') problems.push('the password is not shown')
await tab.keyboard.press('Shift+Tab')
await tab.keyboard.press('Control+A')
await tab.keyboard.type(first)
await tab.keyboard.press('Enter')
await wants(tab, 'h1', address)
await check('overview', address)

// Name.
await tab.click('button[aria-label="Change name"]')
await tab.fill('input[name=name]', 'x'.repeat(201))
await tab.click('button:text-is("Save")')
await wants(tab, '[role=alert]', '200')
await tab.fill('input[name=name]', 'Jo Döe')
await tab.click('button:text-is("Save")')
await wants(tab, 'h1', 'Jo Döe')
await tab.click(`button[aria-label="Copy ${address}"]`)
if (await tab.evaluate(() => navigator.clipboard.readText()) !== address) problems.push('the address is not on the clipboard')
await wants(tab, '.said', 'Copied')
await tab.reload()
await wants(tab, 'h1', 'Jo Döe')
done('name')

// Settings for mail programs.
await go(tab, 'Set up a device')
await wants(tab, 'table', 'IMAP')
const qr = tab.locator('img.qr')
if (await qr.count() > 0 && !await qr.evaluate(img => img.naturalWidth > 50)) problems.push('the QR code is not shown')
await tab.click('button[aria-label="Copy port for IMAP"]')
if (!/^[0-9]+$/.test(await tab.evaluate(() => navigator.clipboard.readText()))) problems.push('the port is not on the clipboard')
await check('devices', 'Settings to type in')

await transfer({ tab, go, wants, check, done, problems, address, password: first })

// A token, which works, and no more after it was removed.
await go(tab, 'App access')
await tab.click('button:text-is("New token")')
await tab.uncheck('text=Send messages')
await tab.click('button:text-is("Make the token")')
await wants(tab, 'form', 'Give it a name.')
await wants(tab, 'form', 'Choose at least one.')
await check('token', 'Tokens for the HTTP API')
await tab.fill('input[name=token-name]', 'newsletter')
await tab.check('text=Read messages')
await tab.check('text=Change the suppression list')
await tab.click('button:text-is("Make the token")')
await wants(tab, '.note', 'cannot be shown again')
await wants(tab, '.cards', 'newsletter')
const token = await tab.textContent('.note code')
const suppressions = () => fetch(new URL('/webapi/v0/SuppressionList', link), { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: new URLSearchParams({ request: '{}' }) })
let answer = await suppressions()
if (answer.status !== 200) problems.push(`with the token the HTTP API answers ${answer.status}`)
await check('access', token)
await tab.click('button:text-is("I have it")')
if ((await tab.content()).includes(token)) problems.push('the token is still shown')
await tab.click('button[aria-label="Remove token newsletter"]')
await check('token-remove', 'Remove this token?')
await tab.click('dialog button:text-is("Cancel")')
await wants(tab, '.cards', 'newsletter')
await tab.click('button[aria-label="Remove token newsletter"]')
await tab.click('dialog button:text-is("Remove")')
await tab.waitForSelector('.cards:has-text("newsletter")', { state: 'detached' })
answer = await suppressions()
if (answer.status !== 401) problems.push(`with the removed token the HTTP API answers ${answer.status}`)
done('token-removed')

// A key.
await tab.click('button:text-is("Add a key")')
await tab.click('button:text-is("Add the key")')
await wants(tab, 'form', 'Paste the certificate here.')
await tab.fill('textarea[name=key-pem]', 'nonsense')
await tab.click('button:text-is("Add the key")')
await wants(tab, 'form [role=alert]', '.')
await check('key', 'TLS keys')
const output = execFileSync(mox, ['config', 'tlspubkey', 'gen', 'key'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
await tab.fill('textarea[name=key-pem]', readFileSync(/wrote (\S+\.certificate\.pem)/.exec(output)[1], 'utf8'))
await tab.fill('input[name=key-name]', 'laptop')
await tab.click('button:text-is("Add the key")')
await wants(tab, '.cards', 'laptop')
await tab.click('button[aria-label="Change key laptop"]')
await tab.fill('input[name=key-name]', 'old laptop')
await tab.uncheck('text=IMAP sessions begin logged in')
await tab.click('button:text-is("Save")')
await wants(tab, '.cards', 'IMAP sessions begin without being logged in')
await check('keys', 'old laptop')
await tab.click('button[aria-label="Remove key old laptop"]')
await tab.click('dialog button:text-is("Remove")')
await tab.waitForSelector('.cards:has-text("old laptop")', { state: 'detached' })
done('key-removed')

// A second browser, whose session is ended here, and goes on where it was.
const other = await open()
await signIn(other, first)
await wants(other, 'nav', 'App access')
await go(other, 'App access')
await other.click('button:text-is("New token")')
await other.fill('input[name=token-name]', 'half done')
await go(tab, 'Sessions and sign-ins')
await wants(tab, 'main', 'This browser')
await wants(tab, 'table', 'Wrong name or password')
await check('sessions', 'Wrong name or password')
await tab.click('button[aria-label^="End the session of"]')
await tab.waitForFunction(() => document.querySelectorAll('button[aria-label^="End the session of"]').length === 0)
await other.click('button:text-is("Make the token")')
await wants(other, 'main', 'You have been signed out')
await other.setViewportSize({ width: 320, height: 700 })
await fits(other, problems)
await other.fill('input[name=password]', first)
await other.keyboard.press('Enter')
await wants(other, 'h1', 'App access')
if (await other.inputValue('input[name=token-name]') !== 'half done') problems.push('what was typed is gone after signing in again')
done('ended')

// A new password, which signs the other browser out.
await go(tab, 'Password')
await tab.click('button:text-is("Change password")')
await wants(tab, 'form', 'Enter the password that you have now.')
await tab.fill('input[name=current-password]', 'not the password')
await tab.fill('input[name=new-password]', 'short')
await wants(tab, '.strength', 'needed')
await tab.click('button:text-is("Change password")')
await check('password-short', 'This is too short.')
await tab.fill('input[name=new-password]', 'password1')
await wants(tab, '.strength', 'Weak')
await tab.fill('input[name=new-password]', second)
await wants(tab, '.strength', 'Strong.')
await tab.click('button:text-is("Change password")')
await wants(tab, 'form [role=alert]', 'password')
await tab.click('button:text-is("Make a password for me")')
await tab.waitForFunction(() => document.querySelector('input[name=new-password]').type === 'text')
await check('password-generated', 'Copy it')
await tab.fill('input[name=current-password]', first)
await tab.fill('input[name=new-password]', second)
await tab.click('button:text-is("Change password")')
await wants(tab, '.said', 'Password changed.')
await check('password', 'Password')
await other.reload()
await wants(other, 'h1', 'Sign in to your account')
await signIn(other, second)
await wants(other, 'h1', 'App access')
done('password-changed')

// About, and the narrowest screens.
await go(tab, 'About', 'About mox')
await wants(tab, '.license', 'preact')
await check('about', 'Built with')
await tab.setViewportSize({ width: 320, height: 700 })
for (const name of ['overview', 'devices', 'transfer', 'password', 'sessions', 'access', 'about']) {
	await tab.goto(`${link}#/${name}`)
	await tab.waitForTimeout(300)
	await fits(tab, problems)
}
await tab.click('button.menu')
await look(tab, 'account-menu', 'Sign out', problems)

// Signing out.
await tab.click('button:text-is("Sign out")')
await wants(tab, 'h1', 'Sign in to your account')
await tab.goBack()
await tab.reload()
await wants(tab, 'h1', 'Sign in to your account')
if ((await tab.content()).includes('Jo Döe')) problems.push('the page still has data of the account')
done('signout')

// Too many wrong passwords: localserve does not count them, so the answer is made here; tests of serve see to the server's.
await tab.route('**/api/Login', r => r.fulfill({ status: 429, headers: { 'Retry-After': '60' }, json: { Code: 'user:tooMany', Message: 'There were too many.' } }))
await signIn(tab, second)
await wants(tab, '[role=alert]', 'Try again in 1 minute.')
await check('signin-toomany', 'Sign in to your account')
await end(browser)
