// Builds the pages into webaccount/dist and webadmin/dist: the same files from the same sources on any machine.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

// Most bytes of scripts of an application, compressed.
const limit = 60 * 1024

let failed = false
for (const app of ['account', 'admin']) {
	const outDir = new URL(`../web${app}/dist`, import.meta.url).pathname
	await build({
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
	})
	const files = readdirSync(`${outDir}/assets`).sort()
	const size = name => gzipSync(readFileSync(`${outDir}/assets/${name}`), { level: 9 }).length
	const scripts = files.filter(name => name.endsWith('.js')).reduce((sum, name) => sum + size(name), 0)
	console.log(`${app}: ${files.join(', ')}; scripts ${(scripts / 1024).toFixed(1)} KiB compressed`)
	if (scripts > limit) {
		console.error(`${app}: scripts are larger than ${limit / 1024} KiB`)
		failed = true
	}
}
process.exit(failed ? 1 : 0)
