package classifier_test

import (
	"context"
	"fmt"
	"strings"

	"mox/classifier"
	"mox/message"
)

func Example() {
	tokens := func(text string) []classifier.Token {
		r := strings.NewReader(text)
		part, err := message.Parse(strings.NewReader(text), message.Limits{})
		if err != nil {
			panic(err)
		}
		tokens, err := classifier.Tokens(context.Background(), part, r, classifier.DefaultOptions)
		if err != nil {
			panic(err)
		}
		return tokens
	}
	var m classifier.Memory
	for range 100 {
		m.Train(tokens("Subject: Agenda\r\n\r\nThe meeting is on Monday.\r\n"), false)
		m.Train(tokens("Subject: Cheap pills\r\n\r\nOrder your pills today.\r\n"), true)
	}
	r := m.Classify(classifier.DefaultParams, tokens("Subject: Cheap pills\r\n\r\nCheap pills, order now.\r\n"))
	fmt.Println(r.Probability > 0.8, r.Significant)
	fmt.Println(r.Words[0].Text, r.Words[0].Counts)
	// Output:
	// true true
	// Subject:cheap {0 100}
}
