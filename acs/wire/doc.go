// Package wire holds the public JSON of Recado: requests, replies, and the bodies of webhook events. It is apart from the domain
// types, so that neither drags the other along; fields are only ever added.
package wire
