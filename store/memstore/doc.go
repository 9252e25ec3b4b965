// Package memstore is the store in memory: plain maps under one mutex. It forgets everything when the process ends.
//
// It is the readable reference of what acs.Store and webhook.Store ask for: store/storetest compares every other backend with
// it, and the engine's tests run over it. Where two ways of reading the contract are possible, this package shows the one that
// is meant. Read it in the order store.go, actions.go, queue.go.
package memstore
