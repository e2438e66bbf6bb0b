package imap

import (
	"reflect"
	"testing"
)

func TestParseSearchCriteria(t *testing.T) {
	for text, want := range map[string][]SearchKey{
		"SEEN":                             {{Op: SearchFlag, Str: `\Seen`}},
		"SUBJECT {3}\r\na\r\n SEEN":        {{Op: SearchHeader, Field: "Subject", Str: "a\r\n"}, {Op: SearchFlag, Str: `\Seen`}},
		"SUBJECT {2+}\r\n\u00fc":           {{Op: SearchHeader, Field: "Subject", Str: "\u00fc"}},
		"FROM {1}\r\na SUBJECT {0}\r\n":    {{Op: SearchHeader, Field: "From", Str: "a"}, {Op: SearchHeader, Field: "Subject"}},
		"FROM {1}\r\n":                     nil,
		"FROM {1}":                         nil,
		"FROM {1}x\r\na":                   nil,
		"FROM {99999999999999999999}\r\na": nil,
		"SEEN\r\n":                         nil,
		"SEEN\r\nSEEN":                     nil,
		"FROM {1}\r\na\r\n":                nil,
		"":                                 nil,
	} {
		k, err := ParseSearchCriteria([]byte(text), DefaultLimits)
		got := k.Keys
		if len(got) == 0 && err == nil {
			got = []SearchKey{k}
		}
		if (err == nil) != (want != nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func FuzzParseSearchCriteria(f *testing.F) {
	f.Add("OR FROM {4}\r\nboss (SEEN FILTER x) SUBJECT \"y\"")
	f.Fuzz(func(_ *testing.T, text string) { ParseSearchCriteria([]byte(text), DefaultLimits) })
}
