// Package seal encrypts what must not be readable in a store's file: parameter values, endpoint secrets, passwords.
//
// A sealed text names the key that made it, so several keys can be in use while one replaces another, and it is bound to the
// place it was made for: moved to another record, it does not open.
package seal
