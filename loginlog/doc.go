// Package loginlog records logins.
package loginlog
