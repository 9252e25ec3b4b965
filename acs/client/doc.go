// Package client is the Go client of Recado's API. A Client has a method for each call; refusals are *Error with the stable code of
// the problem. Wait follows a protocolo until it is final.
//
// It reads no environment and keeps no state but its configuration.
package client
