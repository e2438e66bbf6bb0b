// Builds the pages into webaccount/dist, webadmin/dist and webmail/dist, and collects the licenses of what is in them in
// licenses/frontend.txt: the same files from the same sources on any machine.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

// The applications: where they are built, and how many KiB their scripts may have, compressed.
const apps = {
	account: { out: '../webaccount/dist', limit: 60 },
	admin: { out: '../webadmin/dist', limit: 60 },
	webmail: { out: '../webmail/dist', limit: 150 },
}

let failed = false
const packages = new Set() // that the bundles have code of
const modules = new URL('node_modules/', import.meta.url).pathname

// note adds the packages of a bundle.
function note(result) {
	for (const id of [result].flat().flatMap(r => r.output).flatMap(chunk => chunk.moduleIds ?? [])) {
		if (id.startsWith(modules)) packages.add(/^(@[^/]+\/)?[^/]+/.exec(id.slice(modules.length))[0])
		else if (id.includes('node_modules')) throw new Error(`${id} is of a package that is not in ${modules}`)
	}
}

// licenses has the license files of the packages, each with a heading of two lines as in third-party.txt.
function licenses() {
	return [...packages].sort().map(name => {
		const dir = `${modules}${name}/`
		const files = readdirSync(dir).filter(f => /^(licen[cs]e|copying|notice)/i.test(f)).sort()
		if (files.length === 0) throw new Error(`${name} has no license file`)
		const { version } = JSON.parse(readFileSync(dir + 'package.json', 'utf8'))
		return files.map(f => {
			const heading = `${name} ${version}, ${f}`
			return `\n${heading}\n${'='.repeat(heading.length)}\n\n${readFileSync(dir + f, 'utf8').replaceAll('\r\n', '\n').trim()}\n`
		}).join('')
	}).join('')
}

for (const [app, { out, limit }] of Object.entries(apps)) {
	const outDir = new URL(out, import.meta.url).pathname
	note(await build({
		configFile: false,
		logLevel: 'warn',
		root: new URL(app, import.meta.url).pathname,
		base: './', // the pages are served at any path
		oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
		build: {
			outDir,
			emptyOutDir: true,
			target: 'es2022',
			assetsInlineLimit: 0,
			modulePreload: false,
			reportCompressedSize: false,
			rolldownOptions: { output: { entryFileNames: 'assets/[name]-[hash].js', assetFileNames: 'assets/[name]-[hash][extname]' } },
		},
	}))
	const files = readdirSync(`${outDir}/assets`).sort()
	const size = name => gzipSync(readFileSync(`${outDir}/assets/${name}`), { level: 9 }).length
	const scripts = files.filter(name => name.endsWith('.js')).reduce((sum, name) => sum + size(name), 0)
	console.log(`${app}: ${files.join(', ')}; scripts ${(scripts / 1024).toFixed(1)} KiB compressed`)
	if (scripts > limit * 1024) {
		console.error(`${app}: scripts are larger than ${limit} KiB`)
		failed = true
	}
}
writeFileSync(new URL('../licenses/frontend.txt', import.meta.url), licenses())
process.exit(failed ? 1 : 0)
