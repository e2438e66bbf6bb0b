// Command gen turns the public suffix list on standard input into the form that package
// publicsuffix embeds, on standard output. "make publicsuffix" runs it.
package main

import (
	"io"
	"log"
	"os"

	"mox/publicsuffix"
)

// maxList bounds the list; it has 330 KB.
const maxList = 16 << 20

func main() {
	log.SetFlags(0)
	text, err := io.ReadAll(io.LimitReader(os.Stdin, maxList))
	if err != nil {
		log.Fatal("reading list: ", err)
	}
	b, err := publicsuffix.Compile(text)
	if err != nil {
		log.Fatal("compiling list: ", err)
	}
	if _, err := os.Stdout.Write(b); err != nil {
		log.Fatal("writing list: ", err)
	}
}
