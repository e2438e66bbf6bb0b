// Who is signed in to these pages, and who has tried to sign in anywhere.
import { Attempts } from '../shared/attempts.tsx'
import { useLoad } from '../shared/hooks.ts'
import { Sessions } from '../shared/sessions.tsx'
import { Page, Ready, Section } from '../shared/ui.tsx'
import { api } from './client.ts'

export function SignIns() {
	const sessions = useLoad(() => api.sessions())
	const attempts = useLoad(() => api.loginAttempts({ Limit: 200 }))
	return <Page title="Sign-ins">
		<Section title="Signed in to these pages"><Ready from={sessions}>{d => <Sessions rows={d.Sessions} end={id => api.sessionEnd({ ID: id })} reload={sessions.reload} />}</Ready></Section>
		<Section title="Sign-ins to all accounts"><Ready from={attempts}>{d => <Attempts rows={d.LoginAttempts} accounts />}</Ready></Section>
	</Page>
}
