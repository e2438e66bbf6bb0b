// Package adminapi is the API of the admin pages.
package adminapi
