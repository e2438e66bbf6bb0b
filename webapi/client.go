package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
)

// Client calls the methods of a server. BaseURL and either Token, or Username and Password,
// are needed. It may be used concurrently once set.
type Client struct {
	// BaseURL is where the API is, such as "https://mail.example.org/webapi/"; a final
	// "v0/" may be there.
	BaseURL string

	Username string // an email address of the account
	Password string
	Token    string // of "mox token add"; used instead of Username and Password when set

	// HTTPClient is nil for http.DefaultClient.
	HTTPClient *http.Client
	// MaxResult is the most octets of a JSON result that are read; 0: 64 MiB.
	MaxResult int64
}

// StatusError is returned for a response that is no answer of a method, such as 401 for
// wrong credentials and 429 for too many of them.
type StatusError struct {
	StatusCode int
	Text       string // beginning of the body
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s: %s", e.StatusCode, http.StatusText(e.StatusCode), e.Text)
}

// Send sends a message. When the outcome is unknown, because of a lost connection or an
// [Error] with CodeServer, it can be repeated with the same IdempotencyKey without fear of
// sending twice.
func (c *Client) Send(ctx context.Context, r SendRequest) (SendResult, error) {
	return call[SendResult](ctx, c, "Send", r)
}

// SendBatch sends messages, at most 100 in a call. The error is about the call as a whole;
// each item has its own.
func (c *Client) SendBatch(ctx context.Context, r SendBatchRequest) (SendBatchResult, error) {
	return call[SendBatchResult](ctx, c, "SendBatch", r)
}

// Upload is a file to send that is read while it is uploaded.
type Upload struct {
	Name        string
	ContentType string // found out by the server when empty
	ContentID   string
	Content     io.Reader
}

// Uploads are the files of a message. They come after those in the SendRequest.
type Uploads struct {
	Alternative, Inline, Attached []Upload
}

// SendFiles is Send with files that are not in memory.
func (c *Client) SendFiles(ctx context.Context, r SendRequest, files Uploads) (SendResult, error) {
	var result SendResult
	req, err := json.Marshal(r)
	if err != nil {
		return result, fmt.Errorf("encoding request: %w", err)
	}
	pr, pw := io.Pipe()
	mw := multipart.NewWriter(pw)
	go func() { pw.CloseWithError(writeForm(mw, req, files)) }()
	// Whatever happens, writeForm ends: nobody reads any more.
	defer pr.CloseWithError(errors.New("request has ended"))
	resp, err := c.post(ctx, "Send", mw.FormDataContentType(), pr)
	if err != nil {
		return result, err
	}
	return result, c.decode(resp, &result)
}

func writeForm(mw *multipart.Writer, req []byte, files Uploads) error {
	if err := mw.WriteField("request", string(req)); err != nil {
		return err
	}
	for _, l := range []struct {
		field string
		files []Upload
	}{{"alternativefile", files.Alternative}, {"inlinefile", files.Inline}, {"attachedfile", files.Attached}} {
		for _, f := range l.files {
			h := textproto.MIMEHeader{}
			h.Set("Content-Disposition", formDisposition(l.field, f.Name))
			if f.ContentType != "" {
				h.Set("Content-Type", oneLine(f.ContentType))
			}
			if f.ContentID != "" {
				h.Set("Content-ID", "<"+oneLine(f.ContentID)+">")
			}
			w, err := mw.CreatePart(h)
			if err != nil {
				return err
			}
			if _, err := io.Copy(w, f.Content); err != nil {
				return fmt.Errorf("reading file %q: %w", f.Name, err)
			}
		}
	}
	return mw.Close()
}

// formDisposition is RFC 7578 4.2: names are UTF-8 as they are, not encoded by RFC 2231.
func formDisposition(field, filename string) string {
	r := strings.NewReplacer("\\", "\\\\", `"`, `\"`)
	return fmt.Sprintf(`form-data; name="%s"; filename="%s"`, field, r.Replace(oneLine(filename)))
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// SuppressionList returns all addresses that the account does not send to.
func (c *Client) SuppressionList(ctx context.Context) (SuppressionListResult, error) {
	return call[SuppressionListResult](ctx, c, "SuppressionList", SuppressionListRequest{})
}

// SuppressionAdd adds an address to the suppression list.
func (c *Client) SuppressionAdd(ctx context.Context, r SuppressionAddRequest) error {
	_, err := call[SuppressionAddResult](ctx, c, "SuppressionAdd", r)
	return err
}

// SuppressionRemove removes an address from the suppression list.
func (c *Client) SuppressionRemove(ctx context.Context, r SuppressionRemoveRequest) error {
	_, err := call[SuppressionRemoveResult](ctx, c, "SuppressionRemove", r)
	return err
}

// SuppressionPresent tells whether an address is on the suppression list.
func (c *Client) SuppressionPresent(ctx context.Context, r SuppressionPresentRequest) (SuppressionPresentResult, error) {
	return call[SuppressionPresentResult](ctx, c, "SuppressionPresent", r)
}

// MessageGet returns a parsed message.
func (c *Client) MessageGet(ctx context.Context, r MessageGetRequest) (MessageGetResult, error) {
	return call[MessageGetResult](ctx, c, "MessageGet", r)
}

// MessageRawGet returns a message as it is. The caller must close it.
func (c *Client) MessageRawGet(ctx context.Context, r MessageRawGetRequest) (io.ReadCloser, error) {
	return c.raw(ctx, "MessageRawGet", r)
}

// MessagePartGet returns the decoded content of a part. The caller must close it.
func (c *Client) MessagePartGet(ctx context.Context, r MessagePartGetRequest) (io.ReadCloser, error) {
	return c.raw(ctx, "MessagePartGet", r)
}

// MessageDelete removes a message for good.
func (c *Client) MessageDelete(ctx context.Context, r MessageDeleteRequest) error {
	_, err := call[MessageDeleteResult](ctx, c, "MessageDelete", r)
	return err
}

// MessageFlagsAdd sets flags of a message.
func (c *Client) MessageFlagsAdd(ctx context.Context, r MessageFlagsAddRequest) error {
	_, err := call[MessageFlagsAddResult](ctx, c, "MessageFlagsAdd", r)
	return err
}

// MessageFlagsRemove clears flags of a message.
func (c *Client) MessageFlagsRemove(ctx context.Context, r MessageFlagsRemoveRequest) error {
	_, err := call[MessageFlagsRemoveResult](ctx, c, "MessageFlagsRemove", r)
	return err
}

// MessageMove moves a message to another mailbox.
func (c *Client) MessageMove(ctx context.Context, r MessageMoveRequest) error {
	_, err := call[MessageMoveResult](ctx, c, "MessageMove", r)
	return err
}

// Call calls a method by its name with a JSON object and returns what it answers: JSON, or the
// content of a message or part. The caller must close it.
func (c *Client) Call(ctx context.Context, method string, request io.Reader) (io.ReadCloser, error) {
	resp, err := c.post(ctx, method, "application/json", request)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, c.failure(resp)
	}
	return resp.Body, nil
}

// call calls a method with a JSON result.
func call[Result any](ctx context.Context, c *Client, method string, request any) (Result, error) {
	var result Result
	b, err := json.Marshal(request)
	if err != nil {
		return result, fmt.Errorf("encoding request: %w", err)
	}
	resp, err := c.post(ctx, method, "application/json", bytes.NewReader(b))
	if err != nil {
		return result, err
	}
	return result, c.decode(resp, &result)
}

func (c *Client) raw(ctx context.Context, method string, request any) (io.ReadCloser, error) {
	b, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding request: %w", err)
	}
	return c.Call(ctx, method, bytes.NewReader(b))
}

func (c *Client) post(ctx context.Context, method, contentType string, body io.Reader) (*http.Response, error) {
	base := strings.TrimSuffix(strings.TrimSuffix(c.BaseURL, "/"), "/v0")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v0/"+method, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	} else {
		req.SetBasicAuth(c.Username, c.Password)
	}
	hc := c.HTTPClient
	if hc == nil {
		hc = http.DefaultClient
	}
	return hc.Do(req)
}

// decode reads the result of a method, or its error.
func (c *Client) decode(resp *http.Response, result any) error {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.failure(resp)
	}
	limit := c.MaxResult
	if limit == 0 {
		limit = 64 << 20
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return fmt.Errorf("reading result: %w", err)
	}
	if int64(len(b)) > limit {
		return fmt.Errorf("result of more than %d octets", limit)
	}
	if err := json.Unmarshal(b, result); err != nil {
		return fmt.Errorf("decoding result: %w", err)
	}
	return nil
}

// failure makes an error of a response: an *Error when it is one.
func (c *Client) failure(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16*1024))
	if err != nil {
		return fmt.Errorf("reading error: %w", err)
	}
	if mt, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mt == "application/json" {
		var e Error
		if err := json.Unmarshal(b, &e); err == nil && e.Code != "" {
			return &e
		}
	}
	return &StatusError{resp.StatusCode, strings.TrimSpace(string(b[:min(len(b), 500)]))}
}
