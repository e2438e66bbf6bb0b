package webapiserver

import (
	"context"

	"mox/auth"
	"mox/webapi"
)

// method is a method that is served.
type method struct {
	scope   auth.Scope
	files   bool
	request func() any // a new request, to decode into
	call    func(ctx context.Context, c *call, request any) (any, error)
}

// handler makes a method of a function.
func handler[Request, Result any](f func(c *call, ctx context.Context, r *Request) (Result, error)) method {
	return method{
		request: func() any { return new(Request) },
		call:    func(ctx context.Context, c *call, r any) (any, error) { return f(c, ctx, r.(*Request)) },
	}
}

// methods returns all methods. Their scopes are those of the documentation.
func methods() map[string]method {
	m := map[string]method{
		"Send":               handler((*call).send),
		"SendBatch":          handler((*call).sendBatch),
		"SuppressionList":    handler((*call).suppressionList),
		"SuppressionAdd":     handler((*call).suppressionAdd),
		"SuppressionRemove":  handler((*call).suppressionRemove),
		"SuppressionPresent": handler((*call).suppressionPresent),
		"MessageGet":         handler((*call).messageGet),
		"MessageRawGet":      handler((*call).messageRawGet),
		"MessagePartGet":     handler((*call).messagePartGet),
		"MessageDelete":      handler((*call).messageDelete),
		"MessageFlagsAdd":    handler((*call).messageFlagsAdd),
		"MessageFlagsRemove": handler((*call).messageFlagsRemove),
		"MessageMove":        handler((*call).messageMove),
	}
	for _, d := range webapi.Methods() {
		h := m[d.Name]
		h.scope, h.files = auth.Scope(d.Scope), d.Files
		m[d.Name] = h
	}
	return m
}
