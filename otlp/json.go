package otlp

import (
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// ExportTraceServiceRequest and what it is made of, in the JSON of OTLP: identifiers are hexadecimal, int64 strings
// (OpenTelemetry Protocol Specification, "JSON Protobuf Encoding").
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Name         string     `json:"name"`
		Kind         Kind       `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes,omitempty"`
		Events       []event    `json:"events,omitempty"`
		Status       *status    `json:"status,omitempty"`
	}
	event struct {
		Time       string     `json:"timeUnixNano"`
		Name       string     `json:"name"`
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	status struct {
		Code    int    `json:"code"` // 2: error
		Message string `json:"message,omitempty"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string  `json:"stringValue,omitempty"`
		Bool   *bool    `json:"boolValue,omitempty"`
		Int    string   `json:"intValue,omitempty"`
		Double *float64 `json:"doubleValue,omitempty"`
	}
)

func (e *Exporter) request(batch []Span) request {
	spans := make([]span, len(batch))
	for i := range batch {
		spans[i] = encodeSpan(&batch[i])
	}
	about := encodeAttrs([]slog.Attr{slog.String("service.name", "mox"), slog.String("service.version", e.c.Version), slog.String("host.name", e.c.Host)})
	return request{[]resourceSpans{{resource{about}, []scopeSpans{{scope{"mox", e.c.Version}, spans}}}}}
}

func encodeSpan(s *Span) span {
	out := span{
		TraceID: hex.EncodeToString(s.Trace[:]), SpanID: hex.EncodeToString(s.ID[:]), Name: s.Name, Kind: s.Kind,
		Start: nanos(s.Start), End: nanos(s.End), Attributes: encodeAttrs(s.Attrs),
	}
	if s.Parent != (SpanID{}) {
		out.ParentSpanID = hex.EncodeToString(s.Parent[:])
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, event{nanos(e.Time), e.Name, encodeAttrs(e.Attrs)})
	}
	if s.Err != "" {
		out.Status = &status{2, limit(s.Err)}
	}
	return out
}

func nanos(t time.Time) string { return strconv.FormatInt(max(t.UnixNano(), 0), 10) }

func encodeAttrs(attrs []slog.Attr) []keyValue {
	var l []keyValue
	for _, a := range attrs {
		l = append(l, keyValue{a.Key, encodeValue(a.Value.Resolve())})
	}
	return l
}

// encodeValue: durations are seconds.
func encodeValue(v slog.Value) value {
	switch v.Kind() {
	case slog.KindBool:
		b := v.Bool()
		return value{Bool: &b}
	case slog.KindInt64:
		return value{Int: strconv.FormatInt(v.Int64(), 10)}
	case slog.KindFloat64:
		f := v.Float64()
		return value{Double: &f}
	case slog.KindDuration:
		f := v.Duration().Seconds()
		return value{Double: &f}
	}
	s := limit(v.String())
	return value{String: &s}
}

// limit keeps texts that others chose short, and valid.
func limit(s string) string {
	const most = 1024
	return strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD")
}

// formatCID is a connection id as the log has it.
func formatCID(cid int64) string { return strconv.FormatInt(cid, 16) }
