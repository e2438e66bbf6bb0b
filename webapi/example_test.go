package webapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"mox/webapi"
)

// server stands in for mox, so that the examples run.
func server() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, password, _ := r.BasicAuth(); password != "password" && r.Header.Get("Authorization") != "Bearer mox_nvvgy_x" {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "401 - bad credentials")
			return
		}
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/webapi/v0/MessageRawGet":
			io.WriteString(w, "Subject: raw\r\n\r\n")
		case strings.Contains(string(body), `"remote@"`):
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"Code":"badAddress","Message":"\"remote@\" is not an address"}`)
		default:
			io.WriteString(w, `{"MessageID":"<1@mail.example.org>","Submissions":[{"Address":"remote@example.com","QueueMsgID":10,"FromID":""}]}`)
		}
	}))
}

func ExampleClient_Send() {
	s := server()
	defer s.Close()
	c := webapi.Client{BaseURL: s.URL + "/webapi/", Username: "me@example.org", Password: "password"}
	sent, err := c.Send(context.Background(), webapi.SendRequest{
		Message: webapi.Message{
			To:      []webapi.NameAddress{{Name: "Remote", Address: "remote@example.com"}},
			Subject: "Your order",
			Text:    "It is on its way.\n",
		},
		Extra:          map[string]string{"order": "1234"}, // comes back in webhook calls
		IdempotencyKey: "order-1234-shipped",               // it can be repeated without sending twice
	})
	fmt.Println(sent.MessageID, sent.Submissions[0].QueueMsgID, err)

	_, err = c.Send(context.Background(), webapi.SendRequest{Message: webapi.Message{To: []webapi.NameAddress{{Address: "remote@"}}, Text: "hi"}})
	if errors.Is(err, &webapi.Error{Code: webapi.CodeBadAddress}) {
		fmt.Println("not an address:", err)
	}

	// Output:
	// <1@mail.example.org> 10 <nil>
	// not an address: badAddress: "remote@" is not an address
}

func ExampleClient_SendFiles() {
	s := server()
	defer s.Close()
	c := webapi.Client{BaseURL: s.URL + "/webapi/", Token: "mox_nvvgy_x"}
	_, err := c.SendFiles(context.Background(), webapi.SendRequest{
		Message: webapi.Message{To: []webapi.NameAddress{{Address: "remote@example.com"}}, HTML: `<img src="cid:logo"> Invoice attached.`},
	}, webapi.Uploads{
		Inline:   []webapi.Upload{{Name: "logo.png", ContentID: "logo", Content: strings.NewReader("\x89PNG")}},
		Attached: []webapi.Upload{{Name: "invoice.pdf", ContentType: "application/pdf", Content: strings.NewReader("%PDF")}},
	})
	fmt.Println(err)

	// Output:
	// <nil>
}

func ExampleClient_MessageRawGet() {
	s := server()
	defer s.Close()
	c := webapi.Client{BaseURL: s.URL + "/webapi/v0/", Username: "me@example.org", Password: "password"}
	r, err := c.MessageRawGet(context.Background(), webapi.MessageRawGetRequest{MsgID: 123})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	fmt.Printf("%q %v\n", b, err)

	c.Password = "wrong"
	_, err = c.MessageRawGet(context.Background(), webapi.MessageRawGetRequest{MsgID: 123})
	var status *webapi.StatusError
	fmt.Println(errors.As(err, &status), err)

	// Output:
	// "Subject: raw\r\n\r\n" <nil>
	// true status 401 Unauthorized: 401 - bad credentials
}

// A receiver of webhook calls answers 200 once it has kept what it needs; anything else
// makes mox call again later.
func ExampleOutgoingHook() {
	seen := map[string]bool{} // by id of the call; kept in a database in real life
	receive := func(w http.ResponseWriter, r *http.Request) {
		var h webapi.OutgoingHook
		if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if id := r.Header.Get(webapi.HeaderHookID); !seen[id] {
			seen[id] = true
			fmt.Println(h.Event, h.QueueMsgID, h.Extra["order"])
		}
	}
	for range 2 {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"Version":0,"Event":"delivered","QueueMsgID":10,"Extra":{"order":"1234"}}`))
		r.Header.Set(webapi.HeaderHookID, "7")
		receive(httptest.NewRecorder(), r)
	}

	// Output:
	// delivered 10 1234
}
