// Who a message is from.
import type { Draft } from './draft.ts'
import { identities } from './mail.ts'
import type { Identity } from './types.ts'

export function chosenIdentity(d: Draft): Identity | undefined {
	return identities.value.find(i => i.id === d.identityId) ?? identities.value[0]
}
