// Package websession has the sessions of browsers.
package websession
