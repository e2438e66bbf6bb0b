// The admin pages, from signing in to signing out, each at desktop and phone width: with the keyboard alone, with good
// and bad input, and with a second browser that changes things in between.
// Arguments: URL of the pages, password, domain, file domains.conf.
import { readFileSync } from 'node:fs'
import { application } from './app.mjs'
import { check as look, end, fits, launch, report } from './look.mjs'

const [link, first, domain, conf] = process.argv.slice(2)
const second = 'lamp-gravel-otter-92'
const browser = await launch()
const problems = []

const { open, go, wants } = application(browser, link, problems)
const tab = await open()
const check = (name, text) => look(tab, `admin-${name}`, text, problems)
// done tells of a case that needs no look at the page.
const done = name => report(`admin-${name}`, problems.splice(0))
const saved = () => readFileSync(conf, 'utf8')

async function signIn(t, password) {
	await t.fill('input[name=password]', password)
	await t.click('button:text-is("Sign in")')
}

// Signing in, by the keyboard alone.
await check('signin', 'Sign in as administrator')
if (await tab.evaluate(() => document.activeElement?.getAttribute('name')) !== 'password') problems.push('the focus is not at the password')
await tab.keyboard.type('wrong password')
await tab.keyboard.press('Enter')
await wants(tab, '[role=alert]', 'password')
await tab.waitForFunction(() => document.activeElement?.getAttribute('name') === 'password')
await tab.keyboard.press('Control+A')
await tab.keyboard.type(first)
await tab.keyboard.press('Enter')
await wants(tab, 'h1', 'Status')
await wants(tab, 'main', 'Certificates')
await check('status', 'Look again')
await tab.click('button:text-is("Look again")')
await wants(tab, '.said', 'Looked again.')

// Domains.
await go(tab, 'Domains')
await wants(tab, '.cards', domain)
await check('domains', domain)
await tab.click(`.cards a:text-is("${domain}")`)
await wants(tab, 'h1', domain)
await wants(tab, 'main', 'All as zone text')
await wants(tab, 'main', 'Settings for mail programs')
await check('domain', 'DNS records')
await tab.click('button[aria-label="Copy zone text"]')
const zone = await tab.evaluate(() => navigator.clipboard.readText())
if (!zone.includes('DKIM1') || zone !== await tab.evaluate(() => document.querySelector('details pre').textContent)) problems.push('the zone text is not on the clipboard')
await tab.goto(`${link}#/domains/nowhere.example`)
await wants(tab, '[role=alert]', 'nowhere.example')
await check('domain-unknown', 'nowhere.example')
await go(tab, 'Accounts')
await wants(tab, 'table', '@')
await check('accounts', 'On disk')

// Redirects.
await go(tab, 'Web server')
await wants(tab, 'main', 'There are none.')
await check('webserver-empty', 'Handlers')
await tab.click('button:text-is("Add a redirect")')
await tab.fill('input[name=from]', 'a.example')
await tab.fill('input[name=to]', 'a.example')
await tab.click('button:text-is("Save")')
await wants(tab, 'form [role=alert]', 'edirects to itself')
await check('redirect-bad', 'To the domain')
await tab.fill('input[name=to]', 'b.example')
await tab.click('button:text-is("Save")')
await wants(tab, '.cards', 'b.example')
if (!saved().includes('a.example: b.example')) problems.push('the redirect is not in domains.conf')
await tab.click('button[aria-label="Edit redirect from a.example"]')
await tab.fill('input[name=to]', 'c.example')
await tab.click('button:text-is("Save")')
await wants(tab, '.cards', 'c.example')
if (!saved().includes('a.example: c.example')) problems.push('the changed redirect is not in domains.conf')
done('redirect')

// A handler of each kind, with bad input first.
async function handler(kind, fields, bad) {
	await tab.click('button:text-is("Add a handler")')
	await tab.selectOption('select', { label: kind })
	for (const [name, [wrong, , says]] of Object.entries(bad)) {
		await tab.fill(`[name=${name}]`, wrong)
		await tab.click('button:text-is("Save")')
		await wants(tab, 'form', says)
	}
	await check(`handler-${kind.split(' ')[0].toLowerCase()}`, kind)
	for (const [name, value] of Object.entries({ ...fields, ...Object.fromEntries(Object.entries(bad).map(([n, [, v]]) => [n, v])) })) {
		await tab.fill(`[name=${name}]`, value)
	}
	await tab.click('button:text-is("Save")')
	await tab.waitForSelector('form', { state: 'detached' }).catch(async () => problems.push(`not saved: ${await tab.textContent('form')}`))
}
await handler('Serve files', { domain: 'files.example', root: '/srv/www' }, {
	pathregexp: ['/x', '^/files/', 'Must start with ^'],
	stripprefix: ['x', '/files', 'Must start with a slash'],
	headers: ['nonsense', 'Cache-Control: max-age=60', 'is not of the form'],
})
await handler('Redirect', { domain: 'old.example', origpathregexp: '^/old/(.*)$', replacepath: '/new/$1', logname: 'old' }, {
	statuscode: ['200', '307', 'must be from 300 to 399'],
	baseurl: ['https://new.example/', 'https://new.example', 'Must have no path'],
})
await handler('Forward to another web server', { domain: 'app.example', logname: 'app' }, {
	url: ['127.0.0.1', 'http://127.0.0.1:8080', 'URL'],
})
await handler('Serve one of mox\'s own applications', { domain: 'own.example', logname: 'own' }, {
	basepath: ['x', '/x/', 'ust start and end with a slash'],
})
for (const line of ['Cache-Control: max-age=60', 'StripPrefix: /files', 'ReplacePath: /new/$1', 'StatusCode: 307', 'URL: http://127.0.0.1:8080', 'BasePath: /x/']) {
	if (!saved().includes(line)) problems.push(`domains.conf has no ${line}`)
}
await check('webserver', 'own.example')

// Order, by the keyboard: the button keeps the focus.
const order = () => [...saved().matchAll(/LogName: (\w+)/g)].map(m => m[1]).join(' ')
await tab.focus('button[aria-label="Move own up"]')
await tab.keyboard.press('Enter')
await wants(tab, '.said', 'Moved up.')
if (order() !== 'old own app') problems.push(`the order is ${order()}`)
await tab.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Move own up')
await tab.keyboard.press('Enter')
await tab.waitForFunction(() => document.querySelector('ol.cards > li:nth-child(2)').textContent.includes('own.example'))
if (order() !== 'own old app') problems.push(`the order is ${order()}`)
done('order')

// Somebody else changes something in between.
const other = await open()
await signIn(other, first)
await go(other, 'Web server')
await other.click('button[aria-label="Edit app"]')
await other.fill('[name=url]', 'http://127.0.0.1:9090')
await tab.click('button[aria-label="Remove redirect from a.example"]')
await check('redirect-remove', 'no longer leads to')
await tab.click('dialog button:text-is("Remove")')
await tab.waitForSelector('main:has-text("a.example")', { state: 'detached' })
await other.click('button:text-is("Save")')
await wants(other, 'form [role=alert]', 'changed elsewhere')
if (saved().includes('9090') || saved().includes('a.example: ')) problems.push('an old page has changed domains.conf')
await look(other, 'admin-conflict', 'Load what is there now', problems)
await other.click('button:text-is("Load what is there now")')
await other.waitForSelector('main:has-text("a.example")', { state: 'detached' })
if (await other.inputValue('[name=url]') !== 'http://127.0.0.1:9090') problems.push('what was typed is gone')
await other.click('button:text-is("Save")')
await wants(other, '.cards', '9090')
if (!saved().includes('9090')) problems.push('the second attempt did not save')
await tab.click('button[aria-label="Remove old"]')
await tab.click('dialog button:text-is("Remove")')
await wants(tab, 'dialog [role=alert]', '.')
await tab.click('dialog button:text-is("Cancel")')
await wants(tab, '.cards', '9090')
await tab.click('button[aria-label="Remove old"]')
await tab.click('dialog button:text-is("Remove")')
await tab.waitForSelector('main:has-text("old.example")', { state: 'detached' })
if (order() !== 'own app') problems.push(`the order is ${order()}`)
done('changed')

// Log levels.
await go(tab, 'Log levels')
await tab.fill('input[name=package]', 'no such package!')
await tab.click('button:text-is("Set the level")')
await wants(tab, 'form [role=alert]', '.')
await check('logs-bad', 'Set a level')
await tab.fill('input[name=package]', 'smtpserver')
await tab.selectOption('select', 'tracedata')
await wants(tab, 'form', 'passwords and messages')
await tab.selectOption('select', 'error')
await tab.click('button:text-is("Set the level")')
await wants(tab, 'table', 'smtpserver')
await check('logs', 'smtpserver')
await tab.click('button[aria-label="Remove the level of smtpserver"]')
await tab.waitForSelector('table:has-text("smtpserver")', { state: 'detached' })
done('logs-removed')

// Sessions: the other browser is signed out, and goes on where it was.
await go(tab, 'Sign-ins')
await wants(tab, 'table', 'Signed in')
await wants(tab, 'main', 'This browser')
await wants(tab, 'table', 'administrator')
await check('signins', 'administrator')
async function endOthers() {
	await tab.reload()
	await tab.click('button[aria-label^="End the session of"]')
	await tab.waitForFunction(() => document.querySelectorAll('button[aria-label^="End the session of"]').length === 0)
}
await endOthers()
await other.click('button[aria-label="Remove app"]')
await other.click('dialog button:text-is("Remove")')
await wants(other, 'main', 'You have been signed out')
await other.waitForFunction(() => document.activeElement?.getAttribute('name') === 'password')
await other.keyboard.type(first)
await other.keyboard.press('Enter')
await wants(other, 'dialog', 'Remove this handler?')
await other.click('dialog button:text-is("Cancel")')
await wants(other, '.cards', '9090')
if (await other.title() !== 'Web server – Mail server') problems.push(`the title is ${await other.title()}`)
done('ended')

// It signs in in a second tab, and the first goes on.
await tab.waitForTimeout(100)
await endOthers()
await other.goto(`${link}#/logs`)
await wants(other, 'main', 'You have been signed out')
const twin = await other.context().newPage()
await twin.goto(link)
await twin.waitForSelector('h1')
await signIn(twin, first)
await wants(twin, 'h1', 'Status')
await other.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
await wants(other, 'table', 'All others')
await other.fill('input[name=package]', 'imapserver')
await other.click('button:text-is("Set the level")')
await wants(other, 'table', 'imapserver')
done('second-tab')

// A new password.
await go(tab, 'Password')
await tab.fill('input[name=current-password]', 'not the password')
await tab.fill('input[name=new-password]', second)
await tab.click('button:text-is("Change password")')
await wants(tab, 'form [role=alert]', 'password')
await check('password-bad', 'Strong.')
await tab.fill('input[name=current-password]', first)
await tab.fill('input[name=new-password]', second)
await tab.click('button:text-is("Change password")')
await wants(tab, '.said', 'Password changed.')
await check('password', 'Password')
await other.reload()
await wants(other, 'h1', 'Sign in as administrator')
await signIn(other, second)
await wants(other, 'h1', 'Log levels')
done('password-changed')

// About, and the narrowest screens.
await go(tab, 'About', 'About mox')
await wants(tab, '.license', 'preact')
await check('about', 'Built with')
await tab.setViewportSize({ width: 320, height: 700 })
for (const name of ['status', 'domains', `domains/${domain}`, 'accounts', 'webserver', 'logs', 'signins', 'password', 'about']) {
	await tab.goto(`${link}#/${name}`)
	await tab.waitForTimeout(300)
	await fits(tab, problems)
}
await tab.click('button.menu')
await look(tab, 'admin-menu', 'Sign out', problems)
await tab.click('button:text-is("Sign out")')
await wants(tab, 'h1', 'Sign in as administrator')
await tab.goBack()
await tab.reload()
await wants(tab, 'h1', 'Sign in as administrator')
done('signout')
await end(browser)
