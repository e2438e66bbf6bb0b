//go:build race

package imapserver

// raceDetector: memory and times say nothing.
const raceDetector = true
