// Package boltstore keeps Recado's state in two bbolt files: what must never be lost in one, what devices report of themselves
// in the other.
//
// # Writing
//
// Every write to the main file goes through one goroutine, which Open starts and Close ends. It takes all operations that wait
// and commits them in one transaction, so that the price of a commit (two fdatasync) is shared. An operation checks before its
// first put; what it finds wrong fails that operation alone. A failed commit fails its whole group, and then the indexes in
// memory are what they were: they change after the commit only.
//
// What devices report goes to the devices file some seconds later, many at a time. First contacts, and what changes who a device
// is or how it is reached, are committed before Report returns; those that come together share a commit.
//
// # Keys
//
// Only keys that grow with time are durable: ids are UUIDs of version 7, and a page is filled and left. Indexes whose keys are
// random live in memory and are rebuilt by Open from small time-ordered buckets:
//
//	main file
//	act     protocolo (16 bytes)                  an action
//	due     deadline or end of watch (8) + protocolo (16)
//	idem    time (8) + protocolo (16)             hash of the idempotency key (16) + hash of the body's MAC (16)
//	evt     event id (16)                         an event
//	dlv     delivery id (16)                      a delivery
//	pend    delivery id (16)                      of the pending ones only; empty
//	dead    delivery id (16)                      of the dead ones only: the endpoint's id
//	att     delivery id (16) + number (4)         an attempt
//	rpl     replay id (16)                        a replay of many deliveries; rplrun: those that run
//	stat    hour (8) + endpoint id                what came of the endpoint in that hour
//	ep, eph endpoint id                           an endpoint; its health and state
//	epgone  endpoint id                           of a deleted one whose deliveries are not all cancelled
//	cli     client id, tok: token hash
//	facts   device id, fname: name of a device + device id
//	seq     device id                             its last sequence number; seqlog: those since the last merge into seq
//	meta    format, number of commits, a text to prove the key with
//
//	devices file
//	dev     device id                             identity, URL, versions: written when it changes
//	seen    device id                             last Inform and what came with it
//	name    name of a device + device id
//	types   device id                             hash of its set of types; tset: the sets
//
// Times in keys are nanoseconds since 1970, big-endian, with the sign bit flipped. An id that is no UUID of the expected shape is
// kept as 0xFF and its text. Values are JSON with the record's version in "v"; what is secret is in "sealed".
//
// Lists by client or by device have no index: they walk the bucket from the newest down, in short transactions, and look for the
// name in the record's bytes before they decode it (some 5 million records a second).
package boltstore
