package webapiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mox/jsoncall"
	"mox/webapi"
)

// uploads are files of a multipart form.
type uploads struct{ alternative, inline, attached []webapi.File }

// reserve waits for room in memory for a request, which free gives back. A request takes what
// it has octets, twice: as read and as decoded.
func (s *Server) reserve(r *http.Request) (free func(), err error) {
	limit := s.c.Limits.Body
	if r.ContentLength > limit {
		return nil, &tooLarge{limit}
	}
	n := 2 * r.ContentLength
	if r.ContentLength < 0 {
		n = 2 * limit
	}
	n = min(n, s.c.Limits.InFlight)
	ctx, cancel := context.WithTimeout(r.Context(), s.c.Limits.Wait)
	defer cancel()
	if err := s.memory.Acquire(ctx, n); err != nil {
		return nil, errBusy
	}
	return func() { s.memory.Release(n) }, nil
}

// decode reads the request of a call, whose time it bounds.
func (c *call) decode(m method) (any, error) {
	l := c.s.c.Limits
	// Not every writer of tests has deadlines; that of a server has.
	http.NewResponseController(c.w).SetReadDeadline(c.s.c.Now().Add(l.Upload))
	body := http.MaxBytesReader(c.w, c.r.Body, l.Body)
	text, err := c.read(body, m)
	var max *http.MaxBytesError
	if errors.As(err, &max) {
		return nil, &tooLarge{max.Limit}
	} else if err != nil {
		return nil, err
	}
	http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	http.NewResponseController(c.w).SetWriteDeadline(c.s.c.Now().Add(l.Call))
	return decodeRequest(text, m.request())
}

// read returns the JSON of a request, and keeps its files.
func (c *call) read(body io.Reader, m method) ([]byte, error) {
	limit := c.s.c.Limits.JSON
	if ce := c.r.Header.Get("Content-Encoding"); ce != "" && !strings.EqualFold(ce, "identity") {
		return nil, protocolError("Content-Encoding %.100q is not understood: requests are not compressed", ce)
	}
	mt, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, protocolError("Content-Type is missing or bad: application/json, application/x-www-form-urlencoded and multipart/form-data are understood")
	}
	switch mt {
	case "application/json":
		return readAll(body, limit)
	case "application/x-www-form-urlencoded":
		b, err := readAll(body, limit)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, protocolError("form cannot be read: %v", err)
		}
		if len(form) != 1 || len(form["request"]) != 1 {
			return nil, protocolError(`the form must have the field "request", and no other`)
		}
		return []byte(form.Get("request")), nil
	case "multipart/form-data":
		if params["boundary"] == "" {
			return nil, protocolError("multipart form without boundary")
		}
		return c.readForm(multipart.NewReader(body, params["boundary"]), m)
	}
	return nil, protocolError("Content-Type %.100q is not understood: application/json, application/x-www-form-urlencoded and multipart/form-data are", mt)
}

func protocolError(format string, args ...any) error {
	return &webapi.Error{Code: webapi.CodeProtocol, Message: fmt.Sprintf(format, args...)}
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	var max *http.MaxBytesError
	switch {
	case errors.As(err, &max):
		return nil, err
	case err != nil:
		return nil, protocolError("reading request: %v", err)
	case int64(len(b)) > limit:
		return nil, &tooLarge{limit}
	}
	return b, nil
}

// readForm reads a multipart form.
func (c *call) readForm(mr *multipart.Reader, m method) ([]byte, error) {
	l := c.s.c.Limits
	var request []byte
	files := 0
	for {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			break
		}
		var max *http.MaxBytesError
		if errors.As(err, &max) {
			return nil, err
		} else if err != nil {
			return nil, protocolError("reading form: %v", err)
		}
		into := map[string]*[]webapi.File{"alternativefile": &c.files.alternative, "inlinefile": &c.files.inline, "attachedfile": &c.files.attached}[p.FormName()]
		switch {
		case p.FormName() == "request" && request == nil:
			if request, err = readAll(p, l.JSON); err != nil {
				return nil, err
			}
			request = append([]byte{}, request...) // an empty one is one, too
		case into != nil && m.files:
			f, err := readFile(p, l.Body)
			if err != nil {
				return nil, err
			}
			if len(f.Data) == 0 && f.Name == "" {
				continue // a browser's field for a file without one
			}
			if files++; files > l.Files {
				return nil, userError("more than %d files", l.Files)
			}
			*into = append(*into, f)
		default:
			return nil, protocolError("form field %.100q is unknown here, or there twice", p.FormName())
		}
	}
	if request == nil {
		return nil, protocolError(`the form has no field "request"`)
	}
	return request, nil
}

func readFile(p *multipart.Part, limit int64) (webapi.File, error) {
	f := webapi.File{Name: p.FileName(), ContentType: p.Header.Get("Content-Type"), ContentID: strings.Trim(p.Header.Get("Content-ID"), "<> ")}
	var err error
	f.Data, err = readAll(p, limit)
	return f, err
}

// decodeRequest decodes a JSON object strictly into v and returns v.
func decodeRequest(b []byte, v any) (any, error) {
	if err := jsoncall.Decode(b, v); err != nil {
		return nil, protocolError("%v", err)
	}
	return v, nil
}
