// What runs, and the licenses of all that is in it.
import { useLoad } from './hooks.ts'
import { Page, Ready, Section, Waiting } from './ui.tsx'

interface Version {
	Version: string
	GoVersion: string
}

async function licenses(): Promise<string> {
	const response = await fetch('licenses.txt')
	if (!response.ok) throw new Error(`The licenses could not be loaded (status ${response.status})`)
	return await response.text()
}

export function About({ version }: { version: () => Promise<Version> }) {
	const v = useLoad(version)
	const text = useLoad(licenses)
	return <Page title="About mox">
		<section><Ready from={v}>{d => <dl class="facts">
			<div><dt>Version</dt><dd>{d.Version}</dd></div>
			<div><dt>Built with</dt><dd>{d.GoVersion}</dd></div>
		</dl>}</Ready></section>
		<Section title="Licenses" actions={<a href="licenses.txt" target="_blank">As a file of text</a>}>
			<p>mox is free software. It is made of the work of many others, under these licenses.</p>
			{text.data === undefined && !text.error ? <Waiting /> : <Ready from={text}>{t => <pre class="license" tabIndex={0} role="region" aria-label="Text of all licenses">{t}</pre>}</Ready>}
		</Section>
	</Page>
}
