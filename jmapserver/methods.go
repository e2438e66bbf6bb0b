package jmapserver

import (
	"context"
	"encoding/json"

	"mox/jmap"
)

// methods are all methods, by name.
func methods() map[string]method {
	return map[string]method{
		// RFC 8620 4: the arguments come back as they are.
		"Core/echo": {jmap.CapabilityCore, func(_ context.Context, _ *call, args json.RawMessage) (any, error) { return args, nil }},
	}
}
