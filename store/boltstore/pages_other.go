//go:build !linux

package boltstore

import bolt "go.etcd.io/bbolt"

// unmapPages is for Linux.
func unmapPages(*bolt.DB) {}
