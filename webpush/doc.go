// Package webpush encrypts what is pushed to a browser or app through a push service that is not to read it: message encryption for
// Web Push, with the keys that the receiver made. The result is the body of an HTTP request with Content-Encoding aes128gcm.
//
// RFCs: 8291 (message encryption), 8188 (encrypted content encoding).
//
// Goroutines and files: none. All functions are safe for concurrent use.
package webpush
