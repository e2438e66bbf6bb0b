// Settings for mail programs.
import { useState } from 'preact/hooks'
import type { ClientConfigResult } from '../api/account.ts'
import { ClientSettings } from '../shared/clientsettings.tsx'
import { useLoad } from '../shared/hooks.ts'
import { Choice, Page, Ready, Section } from '../shared/ui.tsx'
import { account, api } from './client.ts'

function Apple({ url, qr, address }: { url: string; qr: string; address: string }) {
	return <Section title="iPhone, iPad and Mac">
		<p>Open the profile on the device, then allow it in Settings, under “Profile downloaded”. It asks for your password.</p>
		<div class="buttons"><a class="button" href={url}>Get the profile</a></div>
		{qr && <>
			<p>Or point the camera of the device at this code:</p>
			<img class="qr" src={qr} alt={`QR code of the profile for ${address}`} />
		</>}
	</Section>
}

function Settings({ d }: { d: ClientConfigResult }) {
	return <>
		{d.ProfileURL && <Apple url={d.ProfileURL} qr={d.ProfileQRCode} address={d.Username} />}
		<Section title="Thunderbird, Outlook and others">
			{d.AutoconfigURL
				? <p>Add an account in the program, with your name, the address <strong>{d.Username}</strong> and your password. Most programs, such as Thunderbird and Outlook, find the rest. If one does not, choose “manual setup” or “IMAP”, and type what stands below.</p>
				: <p>Add an account in the program, choose “manual setup” or “IMAP”, and type what stands below.</p>}
		</Section>
		<ClientSettings settings={d} title="Settings to type in" />
	</>
}

export function Devices() {
	const a = account.value!
	const own = a.Addresses.filter(address => !address.startsWith('@'))
	const [address, setAddress] = useState(a.LoginAddress)
	const settings = useLoad(() => api.clientConfig({ Address: address }), address)
	const options = [...new Set([a.LoginAddress, ...own])]
	return <Page title="Set up a device" lead="Your mail in the programs of your phone and computer.">
		{options.length > 1 && <Choice label="For the address" value={address} options={options.map(o => [o, o])} onChange={setAddress} />}
		<Ready from={settings}>{d => <Settings d={d} />}</Ready>
	</Page>
}
