// Package accountapi is the API of the account pages.
package accountapi
